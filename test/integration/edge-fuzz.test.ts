import { createHash } from 'node:crypto'
import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, inject, it } from 'vitest'
import type { Contract } from '../../schemas/contract.js'
import { CONTRACTS } from '../../schemas/index.js'
import { type Answer, openEdge, post, RawConnection, send, signed } from '../support/edge.js'

const MB = 1_048_576
const CONNECTIONS = 16

const VALID: Readonly<Record<string, string>> = {
  cdc: '{"webhookId":"w-1","eventType":"contact.created","timestamp":"2026-11-22T09:30:00.123Z","eventData":{"id":"c-1","firstName":"Zoë","email":"z@example.org","n":[1,2.5e3,null,true]}}',
  'contact-sync':
    '{"events":[{"id":"1","externalId":"x","firstName":"A","lastName":"B","email":"a@b.org","timestamp":"2026-11-22T09:30:00Z"},{"id":"2","timestamp":"2026-11-22T09:30:00Z"}]}',
  'data-action': '{"id":"e-1","type":"t","deep":{"a":[{"b":"\\u0000\\ud83d\\ude00"}]},"__proto__":{"x":1}}',
}

/** Random numbers that are the same in every run (mulberry32): from 0 to `below`, whole. */
function seeded(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

type Random = (below: number) => number

function pick<T>(random: Random, from: readonly T[]): T {
  const picked = from[random(from.length)]
  if (picked === undefined) throw new Error('There is nothing to pick from')
  return picked
}

function randomBytes(random: Random, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => random(256)))
}

/** A valid body with some of it flipped, cut off, doubled, torn out or overwritten. */
function mutated(random: Random, valid: string): Buffer {
  let body = Buffer.from(valid)
  for (let times = random(4); times > 0 && body.length > 0; times--) {
    const from = random(body.length)
    const to = from + random(body.length - from)
    const [start, middle, end] = [body.subarray(0, from), body.subarray(from, to), body.subarray(to)]
    const flipped = Buffer.of((body[from] ?? 0) ^ (1 << random(8)))
    const changes = [
      [start, flipped, body.subarray(from + 1)],
      [start],
      [start, middle, middle, end],
      [start, end],
      [start, ...Array<Buffer>(random(400)).fill(middle), end],
      [start, randomBytes(random, random(64)), end],
    ]
    body = Buffer.concat(pick(random, changes))
  }
  return body
}

interface Shot {
  readonly contract: Contract
  readonly body: Buffer
  readonly headers: Record<string, string>
}

function shot(random: Random): Shot {
  const contract = pick(random, CONTRACTS)
  const body =
    random(3) === 0
      ? randomBytes(random, random(6_000))
      : mutated(random, VALID[contract.name] ?? '').subarray(0, 100_000)
  // Most are signed, or they would never get further than that.
  const signature = random(10) === 0 ? { 'X-Nice-Webhook-Signature': 'AAAA' } : signed(contract, body)
  return { contract, body, headers: random(20) === 0 ? {} : signature }
}

function validShot(random: Random): Shot {
  const contract = pick(random, CONTRACTS)
  const body = Buffer.from(VALID[contract.name] ?? '')
  return { contract, body, headers: signed(contract, body) }
}

/** What a body's letter or entry is found by. */
function mark(source: string, body: Buffer): string {
  return `${source} ${createHash('sha1').update(body).digest('base64')}`
}

/** What is in memory, in MB: objects and the bytes of buffers; the least of some looks, as buffers are freed late. */
async function liveMemory(): Promise<number> {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc')
  let least = Number.POSITIVE_INFINITY
  for (let look = 0; look < 8; look++) {
    await sleep(50)
    collect()
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    least = Math.min(least, (heapUsed + arrayBuffers) / MB)
  }
  return least
}

describe('10 MB of random and mutated bodies', () => {
  it('are each accepted or refused, kept as what they are, and leave nothing in memory', async () => {
    const test = await openEdge(inject('services').redisUrl)
    const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
    const random = seeded(20261122)
    const statuses = new Map<number, number>()
    const accepted = new Map<string, string>()
    const refused: string[] = []
    let bytes = 0
    const note = ({ contract, body }: Shot, answer: Answer) => {
      const known = mark(contract.name, body)
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
      if (answer.status === 202) accepted.set(String(answer.headers['tributary-entry']), known)
      if (answer.status === 400) refused.push(known)
    }
    const shoot = async (upTo: number) => {
      while (bytes < upTo) {
        const next = shot(random)
        bytes += next.body.length
        const { contract, body, headers } = next
        note(next, await send(test.edge.port, contract.path, body, { headers, agent }))
      }
    }
    const volley = (upTo: number) => Promise.all(Array.from({ length: CONNECTIONS }, () => shoot(upTo)))

    await volley(2 * MB)
    const before = { live: await liveMemory(), resident: process.memoryUsage().rss / MB }
    await volley(10 * MB)
    const after = { live: await liveMemory(), resident: process.memoryUsage().rss / MB }

    expect([...statuses.keys()].sort()).toEqual([202, 400, 401])
    for (const count of statuses.values()) expect(count).toBeGreaterThan(100)
    const entries = (await test.entries()).map(({ partition, id, source, body }) => [
      `${partition}/${id}`,
      mark(source, body),
    ])
    expect(Object.fromEntries(entries)).toEqual(Object.fromEntries(accepted))
    const letters = (await test.letters()).map((letter) =>
      mark(String(letter.get('source')), letter.get('body') ?? Buffer.alloc(0)),
    )
    expect(letters.sort()).toEqual(refused.sort())
    // The second volley was 8 MB of bodies. This process is the client, too, and keeps 200 bytes a request.
    expect(after.live - before.live).toBeLessThan(4)
    expect(after.resident - before.resident).toBeLessThan(64)
    expect(test.edge.stats()).toMatchObject({ inFlight: 0, bufferedBytes: 0, aborted: 0 })
    agent.destroy()
    await test.end()
  }, 60_000)
})

describe('mutated requests', () => {
  it('never make an edge acknowledge what it has not kept, or end it', async () => {
    const test = await openEdge(inject('services').redisUrl)
    const random = seeded(42)
    const answers: string[] = []
    for (let round = 0; round < 12; round++) {
      const connections = Array.from({ length: 24 }, () => {
        const { contract, body, headers } = random(2) === 0 ? validShot(random) : shot(random)
        const lines = Object.entries({ Host: 'localhost', 'Content-Length': String(body.length), ...headers })
        const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')
        const connection = new RawConnection(test.edge.port)
        connection.socket.write(mutated(random, `POST ${contract.path} HTTP/1.1\r\n${head}\r\n`))
        connection.socket.write(body)
        return connection
      })
      await sleep(50)
      for (const { socket } of connections) socket.destroy()
      await Promise.all(connections.map(({ closed }) => closed))
      answers.push(...connections.map(({ received }) => received))
    }
    const acknowledged = answers.flatMap((text) => text.match(/Tributary-Entry: \S+/g) ?? [])
    const kept = new Set(
      (await test.entries()).map(({ partition, id }) => `Tributary-Entry: ${partition}/${id}`),
    )
    expect(acknowledged.length).toBeGreaterThan(0)
    expect(acknowledged.filter((place) => !kept.has(place))).toEqual([])
    const { contract, body } = validShot(random)
    expect((await post(test.edge, contract, body)).status).toBe(202)
    await test.end()
    expect(test.edge.stats()).toMatchObject({ inFlight: 0, bufferedBytes: 0 })
  })
})
