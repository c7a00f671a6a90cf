import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import { onTestFinished } from 'vitest'
import { dataAction } from '../../schemas/data-action.js'
import type { Service } from '../../src/dev/services/service.js'
import type { PartitionKeys } from '../../src/stream/keys.js'
import { connectRedis, createRedis } from '../../src/stream/redis.js'
import { post, type TestEdge } from './edge.js'
import { freshName } from './fresh.js'
import { ownServers } from './own.js'

/** A Redis of the test's own that may be killed; it ends with the test. @param settings as in redis.conf */
export async function ownRedis(settings: Readonly<Record<string, string>> = {}): Promise<Service> {
  const servers = ownServers(() => undefined)
  onTestFinished(() => servers.end())
  return await servers.redis({}, { 'repl-diskless-sync-delay': '0', ...settings })
}

/** The port of a server. */
export function portOf({ url }: Pick<Service, 'url'>): number {
  return Number(new URL(url).port)
}

/** Asks a server something, on a connection of its own. */
export async function ask<T>({ url }: Pick<Service, 'url'>, work: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = createRedis(url, 'patient', () => undefined)
  try {
    await connectRedis(redis)
    return await work(redis)
  } finally {
    redis.disconnect()
  }
}

/** Makes a server a replica and waits until it has all of its master. @param port where it finds the master */
export async function follow(replica: Service, master: Service, port = portOf(master)): Promise<void> {
  await ask(replica, (redis) => redis.replicaof('127.0.0.1', port))
  await ask(master, async (redis) => {
    await redis.set('follow', '') // WAIT is about what its own connection has written
    for (const until = Date.now() + 20_000; (await redis.wait(1, 500)) < 1; ) {
      if (Date.now() > until) throw new Error('the replica does not come into step')
    }
  })
}

/** Makes a replica a master. */
export async function promote(replica: Service): Promise<void> {
  await ask(replica, (redis) => redis.replicaof('NO', 'ONE'))
}

/** Posts without end until it is stopped; every tenth request is malformed. */
export interface Traffic {
  /** The mark of each request that was answered 202, or 400, and when, in ms of `performance.now()`. */
  readonly acknowledged: Map<string, number>
  /** How many were answered with each status. */
  readonly answers: Map<number, number>
  stop(): Promise<void>
}

/** Starts senders, one request of each at a time. */
export function startTraffic({ edge }: TestEdge, senders = 8): Traffic {
  const acknowledged = new Map<string, number>()
  const answers = new Map<number, number>()
  const batch = freshName('mark')
  let sending = true
  const sender = async (name: number) => {
    for (let i = 1; sending; i++) {
      const mark = `${batch}-${name}-${i}.`
      const body = i % 10 === 0 ? mark : JSON.stringify({ id: mark, type: 't' })
      const { status } = await post(edge, dataAction, body)
      answers.set(status, (answers.get(status) ?? 0) + 1)
      if (status === 202 || status === 400) acknowledged.set(mark, performance.now())
    }
  }
  const all = Promise.all(Array.from({ length: senders }, (_, name) => sender(name)))
  all.catch(() => undefined) // it is heard of by stop()
  return {
    acknowledged,
    answers,
    stop: async () => {
      sending = false
      await all
    },
  }
}

/** The acknowledged marks that are neither in the log nor among the dead letters of a server. */
export async function missingIn(
  server: Service,
  keys: readonly PartitionKeys[],
  { acknowledged }: Traffic,
): Promise<string[]> {
  const kept = await ask(server, async (redis) => {
    const streams = keys.flatMap(({ events, dead }) => [events, dead])
    const replies = await Promise.all(streams.map((stream) => redis.xrange(stream, '-', '+')))
    return new Set(replies.flat().map(([, fields]) => /mark_\w+-\d+-\d+\./.exec(fields.at(-1) ?? '')?.[0]))
  })
  return [...acknowledged.keys()].filter((mark) => !kept.has(mark))
}

/** Posts until the answer has a status. @throws Error after 15 s */
export async function answered({ edge }: TestEdge, status: number): Promise<void> {
  for (const until = Date.now() + 15_000; ; await sleep(50)) {
    const answer = await post(edge, dataAction, '{"id":"probe","type":"t"}')
    if (answer.status === status) return
    if (Date.now() > until) throw new Error(`the edge still answers ${answer.status} ${answer.text}`)
  }
}
