import { createHmac } from 'node:crypto'
import { Agent, type IncomingHttpHeaders, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import type { Redis } from 'ioredis'
import type { Contract } from '../../schemas/contract.js'
import { CONTRACTS } from '../../schemas/index.js'
import { Admission } from '../../src/edge/admission.js'
import { chooseHttp } from '../../src/edge/http/choose.js'
import type { HttpName } from '../../src/edge/http/http.js'
import type { GuardedContract } from '../../src/edge/receive.js'
import { type Edge, type EdgeOptions, startEdge } from '../../src/edge/server.js'
import { type Durability, openConfirmations } from '../../src/stream/durability.js'
import { type Entry, fromReply } from '../../src/stream/entry.js'
import { type PartitionKeys, partitionKeys } from '../../src/stream/keys.js'
import { createProducer } from '../../src/stream/producer.js'
import { connectRedis, createRedis } from '../../src/stream/redis.js'
import { NO_TRACING } from '../../src/telemetry/tracing.js'
import { freshName } from './fresh.js'

/**
 * The HTTP server of this run's edges. A vitest project runs the edge's tests with `EDGE_HTTP=node` once more, which
 * the processes that tests start inherit.
 */
export const HTTP = chooseHttp((process.env.EDGE_HTTP ?? 'auto') as 'auto' | HttpName)

/** The secret of every contract of a {@link TestEdge}. */
export const SECRET = 'test-secret'

/** An edge of a test's own, on a fresh key prefix. */
export interface TestEdge {
  readonly edge: Edge
  readonly keys: readonly PartitionKeys[]
  /** What the edge was told by Redis. */
  readonly errors: unknown[]
  /** For looking into Redis; waits while it is away. */
  readonly redis: Redis
  /** Everything in the log, of all partitions. */
  entries(): Promise<Entry[]>
  /** Everything among the dead letters, field by field. */
  letters(): Promise<Map<string, Buffer>[]>
  end(): Promise<void>
}

/** Starts an edge that speaks all contracts, signed with {@link SECRET}, on a free port of 127.0.0.1. */
export async function openEdge(
  redisUrl: string,
  options: Partial<EdgeOptions> & { readonly partitions?: number; readonly durability?: Durability } = {},
): Promise<TestEdge> {
  const keys = partitionKeys(freshName('edge'), options.partitions ?? 1)
  const own = createRedis(redisUrl, 'fail-fast', () => {})
  await connectRedis(own)
  const confirmations = options.durability ? await openConfirmations(own, options.durability) : []
  const redis = createRedis(redisUrl, 'patient', () => {})
  await connectRedis(redis)
  const errors: unknown[] = []
  const edge = await startEdge({
    http: HTTP,
    host: '127.0.0.1',
    port: 0,
    contracts: CONTRACTS.map((contract) => guarded(contract)),
    producer: createProducer(own, keys, confirmations),
    admission: new Admission(),
    tracing: NO_TRACING,
    maxConnections: 10_000,
    maxBodyBytes: 1_048_576,
    bufferBytes: 67_108_864,
    appendTimeoutMs: 1_000,
    bodyTimeoutMs: 30_000,
    onError: (error) => errors.push(error),
    onTurnedAway: () => {},
    ...options,
  })
  return {
    edge,
    keys,
    errors,
    redis,
    entries: async () => {
      const streams = await Promise.all(
        keys.map(async ({ partition, events }) => {
          const replies = await redis.xrangeBuffer(events, '-', '+')
          return replies.flatMap((reply) => fromReply(partition, reply) ?? [])
        }),
      )
      return streams.flat()
    },
    letters: async () => {
      const streams = await Promise.all(keys.map(({ dead }) => redis.xrangeBuffer(dead, '-', '+')))
      return streams.flat().map(([, fields]) => pairs(fields))
    },
    end: async () => {
      await edge.stop()
      own.disconnect()
      redis.disconnect()
    },
  }
}

function pairs(fields: readonly Buffer[]): Map<string, Buffer> {
  const map = new Map<string, Buffer>()
  for (let i = 0; i < fields.length; i += 2) map.set(String(fields[i]), fields[i + 1] ?? Buffer.alloc(0))
  return map
}

/** A contract with the scheme that is its own. */
export function guarded(contract: Contract, secrets: readonly string[] = [SECRET]): GuardedContract {
  return { contract, access: { schemes: [contract.authentication], secrets } }
}

/** The header that signs a body by a contract whose own scheme is `hmac`. */
export function signed(contract: Contract, body: Buffer | string, secret = SECRET): Record<string, string> {
  const { authentication } = contract
  if (authentication.scheme !== 'hmac') throw new Error(`${contract.name} is not signed by hmac`)
  const { header, encoding, prefix } = authentication
  return { [header]: prefix + createHmac('sha256', secret).update(body).digest(encoding) }
}

/** An answer as a client sees it. */
export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

/** Sends a request on a connection of its own, or on the agent's. @throws Error where the connection breaks */
export function send(
  port: number,
  path: string,
  body: Buffer | string | readonly Buffer[],
  {
    headers = {},
    method = 'POST',
    agent,
  }: { headers?: Record<string, string>; method?: string; agent?: Agent } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { port, path, method, headers, agent: agent ?? new Agent({ keepAlive: false }) }
    const outgoing = request({ host: '127.0.0.1', ...options }, (incoming) => {
      const parts: Buffer[] = []
      incoming.on('data', (part: Buffer) => parts.push(part))
      incoming.on('error', reject)
      incoming.on('end', () => {
        const text = Buffer.concat(parts).toString()
        resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, text })
      })
    })
    outgoing.on('error', reject)
    if (Array.isArray(body)) {
      for (const part of body) outgoing.write(part)
      outgoing.end()
    } else outgoing.end(body)
  })
}

/** Sends a body by a contract, signed. */
export function post(
  { port }: Edge,
  contract: Contract,
  body: Buffer | string,
  { headers, agent }: { headers?: Record<string, string>; agent?: Agent } = {},
): Promise<Answer> {
  const all = { headers: { ...signed(contract, body), ...headers } }
  return send(port, contract.path, body, agent ? { ...all, agent } : all)
}

/** A connection whose bytes the test writes and reads itself. */
export class RawConnection {
  readonly socket: Socket
  received = ''
  /** Resolves when the connection is closed, in order or not. */
  readonly closed: Promise<void>

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1')
    this.socket.on('data', (data) => {
      this.received += data.toString('latin1')
    })
    this.socket.on('error', () => {})
    this.closed = new Promise((resolve) => this.socket.once('close', () => resolve()))
  }
}

/** The bytes of a POST by a contract, signed; `more` are header lines that end with CRLF. */
export function rawPost(contract: Contract, body: string, more = lengthOf(body)): string {
  const headers = Object.entries(signed(contract, body)).map(([name, value]) => `${name}: ${value}\r\n`)
  return `POST ${contract.path} HTTP/1.1\r\nHost: localhost\r\n${headers.join('')}${more}\r\n${body}`
}

/** A Content-Length header line. */
export function lengthOf(body: string): string {
  return `Content-Length: ${Buffer.byteLength(body)}\r\n`
}
