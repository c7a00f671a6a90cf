import { createHash } from 'node:crypto'
import type { ExpectedDeadLetter } from '../../src/dev/traffic/author.js'
import { type SampleRequest, sampleRequests } from '../../src/dev/traffic/samples.js'
import { type Delivery, transmit } from '../../src/dev/traffic/sender.js'
import { SENDERS } from './fleet.js'

/** What a sender that is out for trouble sends. */
const SHARES = { late: 0.1, duplicate: 0.1, invalid: 0.1 }
/** How long an edge that does not answer is waited for, in ms. */
const SILENCE_MS = 4_000

/** The ledger of the sender: what it sent, and what it was promised. */
export interface Sent {
  /** Requests, however often each was tried. */
  requests: number
  /** Attempts beyond each request's first. */
  again: number
  /** References of requests that were answered 202, each with the hash of its body. */
  readonly acknowledged: Map<string, string>
  /** What the author of each body says must become of it, by the body's hash; nothing: it can be delivered. */
  readonly bodies: Map<string, ExpectedDeadLetter | undefined>
  /** Requests by their last answer: `202 accepted`, `401 invalid_signature`. */
  readonly byAnswer: Record<string, number>
  /** References that came twice, and answers that the sample does not expect. */
  readonly unexpected: string[]
  /** Requests that got no final answer. */
  unanswered: number
}

/** An empty ledger. */
export function newSent(): Sent {
  return {
    ...{ requests: 0, again: 0, acknowledged: new Map(), bodies: new Map() },
    ...{ byAnswer: {}, unexpected: [], unanswered: 0 },
  }
}

/** What is to be sent. */
export interface TrafficOptions {
  readonly url: string
  readonly seed: number
  /** Requests a second, whatever the answers take. */
  readonly rate: number
  /** Ends the traffic: what is on its way still gets its answer. */
  readonly stopping: AbortSignal
  /** Ends also that. */
  readonly giveUp: AbortSignal
  /** Most requests; default: no end. */
  readonly count?: number
}

/** Sends samples of all contracts, each again and again until it is acknowledged or refused for good. */
export async function sendUntilAnswered(sent: Sent, options: TrafficOptions): Promise<void> {
  const { url, seed, rate, stopping, giveUp, count = Number.POSITIVE_INFINITY } = options
  const requests = noted(sent, sampleRequests({ ...SHARES, seed, count }), stopping)
  const limits = { inFlight: 256, attempts: Number.POSITIVE_INFINITY, timeoutMs: SILENCE_MS }
  await transmit({ url, requests, rate, senders: SENDERS, signal: giveUp, ...limits }, (delivery) =>
    enter(sent, delivery),
  )
}

function* noted(
  sent: Sent,
  requests: Iterable<SampleRequest>,
  stopping: AbortSignal,
): Generator<SampleRequest> {
  for (const request of requests) {
    if (stopping.aborted) return
    if (request.expect === 'accepted') sent.bodies.set(hashOf(request.body), request.letter)
    yield request
  }
}

function enter(sent: Sent, { request, answer, label, attempts }: Delivery): void {
  sent.requests++
  sent.again += attempts - 1
  sent.byAnswer[label] = (sent.byAnswer[label] ?? 0) + 1
  const what = `${request.contract.name}, ${request.kind}: ${label}`
  if (!answer || answer.status === 429 || answer.status >= 500) sent.unanswered++
  else if (answer.code !== request.expect) sent.unexpected.push(`${what}, not ${request.expect}`)
  if (answer?.status !== 202) return
  if (answer.entry === undefined || sent.acknowledged.has(answer.entry)) {
    sent.unexpected.push(`${what} with the reference ${answer.entry}, which is missing or not its own`)
  } else sent.acknowledged.set(answer.entry, hashOf(request.body))
}

/** Names a body. */
export function hashOf(body: Buffer): string {
  return createHash('sha1').update(body).digest('base64')
}
