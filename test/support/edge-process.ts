import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CONTRACTS } from '../../schemas/index.js'
import { secretsVariable } from '../../src/config.js'
import { freePort } from '../../src/dev/services/port.js'
import type { EdgeStats } from '../../src/edge/traffic.js'
import { type Entry, fromReply } from '../../src/stream/entry.js'
import { partitionKeys } from '../../src/stream/keys.js'
import { createRedis } from '../../src/stream/redis.js'
import { SECRET } from './edge.js'
import { freshName } from './fresh.js'

const MAIN = resolve(import.meta.dirname, '../../dist/src/cli/main.js')
const TICKS_A_SECOND = 100

/** `tributary start edge` out of `dist/`, in a process whose memory is its own. */
export interface EdgeProcess {
  readonly port: number
  readonly pid: number
  /** Messages of its log. */
  messages(): string[]
  stats(): Promise<EdgeStats>
  /** Resident memory, in MB. */
  resident(): number
  /** Resident memory as soon as it does not fall any more, in MB. */
  settledResident(): Promise<number>
  /** Time on a processor since its start, in seconds. */
  busySeconds(): number
  /** Everything in its log of events. */
  entries(): Promise<Entry[]>
  end(): Promise<void>
}

/**
 * Starts an edge on a fresh key prefix.
 * @param openFiles its `ulimit -n`; default: that of the test
 */
export async function startEdgeProcess(
  redisUrl: string,
  env: Readonly<Record<string, string>> = {},
  openFiles?: number,
): Promise<EdgeProcess> {
  const prefix = freshName('edge')
  const [port, adminPort] = [await freePort(), await freePort()]
  const secrets = Object.fromEntries(CONTRACTS.map(({ name }) => [secretsVariable(name), SECRET]))
  const limit = openFiles === undefined ? '' : `ulimit -n ${openFiles}; `
  const child = spawn('sh', ['-c', `${limit}exec "$0" "$1" start edge`, process.execPath, MAIN], {
    env: {
      ...process.env,
      ...secrets,
      HOST: '127.0.0.1',
      PORT: String(port),
      ADMIN_PORT: String(adminPort),
      REDIS_URL: redisUrl,
      STREAM_PREFIX: prefix,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = linesOf(child)
  const exited = once(child, 'exit')
  await until(lines, child, () => messagesOf(lines).some((message) => message.startsWith('The edge listens')))
  const { pid = 0 } = child
  const redis = createRedis(redisUrl, 'patient', () => {})
  const status = () => readFileSync(`/proc/${pid}/status`, 'utf8')
  const resident = () => Number(/^VmRSS:\s+(\d+) kB/m.exec(status())?.[1]) / 1024
  return {
    port,
    pid,
    messages: () => messagesOf(lines),
    stats: async () => {
      const answer = await fetch(`http://127.0.0.1:${adminPort}/stats`)
      return ((await answer.json()) as { edge: EdgeStats }).edge
    },
    resident,
    settledResident: async () => {
      let least = resident()
      for (let look = 0; look < 10; look++) {
        await sleep(200)
        least = Math.min(least, resident())
      }
      return least
    },
    busySeconds: () => {
      const [user = 0, system = 0] = readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\) /, '')
        .split(' ')
        .slice(11, 13)
        .map(Number)
      return (user + system) / TICKS_A_SECOND
    },
    entries: async () => {
      const [keys] = partitionKeys(prefix, 1)
      if (!keys) throw new Error('there is no partition')
      const replies = await redis.xrangeBuffer(keys.events, '-', '+')
      return replies.flatMap((reply) => fromReply(keys.partition, reply) ?? [])
    },
    end: async () => {
      redis.disconnect()
      child.kill('SIGKILL')
      await exited
    },
  }
}

function linesOf(child: ChildProcess): string[] {
  const lines: string[] = []
  let rest = ''
  child.stdout?.on('data', (chunk: Buffer) => {
    const parts = (rest + chunk).split('\n')
    rest = parts.pop() ?? ''
    lines.push(...parts)
  })
  return lines
}

function messagesOf(lines: readonly string[]): string[] {
  return lines.map((line) => (line.startsWith('{') ? (JSON.parse(line) as { msg: string }).msg : line))
}

async function until(lines: readonly string[], child: ChildProcess, holds: () => boolean): Promise<void> {
  for (const end = Date.now() + 20_000; !holds(); await sleep(20)) {
    if (Date.now() < end && child.exitCode === null) continue
    child.kill('SIGKILL')
    throw new Error(`The edge did not start:\n${lines.join('\n')}`)
  }
}
