import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { backoffMs } from '../../retry.js'
import { type Connections, type HttpAnswer, openConnections } from './post.js'
import type { SampleRequest } from './samples.js'
import { headersOf, type Senders } from './signing.js'

/** Pauses between attempts at the same request. */
const REDELIVERY = { initialMs: 200, maxMs: 5_000 }

/** What to send, where to and how. */
export interface SendOptions {
  /** Of the edge, without a path. */
  readonly url: string
  /** Taken one by one, at the moment of sending. */
  readonly requests: Iterable<SampleRequest>
  /** Requests a second, whatever the answers take: an open loop. Default: as fast as they are answered. */
  readonly rate?: number
  readonly senders: Senders
  /** Ends it: connections are cut, and what waits for an answer or a next attempt stays unanswered. */
  readonly signal: AbortSignal
  /** Most requests on their way at a time; where they are, the rate has to wait. Default 64. */
  readonly inFlight?: number
  /** How often to try a request that gets 429, 5xx or no answer, as at-least-once senders do. Default 1. */
  readonly attempts?: number
  /** Silence after which a request counts as unanswered, in ms. Default 10 s. */
  readonly timeoutMs?: number
}

/** What became of one request in the end. */
export interface Delivery {
  readonly request: SampleRequest
  /** The last answer; `undefined` where the last attempt got none. */
  readonly answer: HttpAnswer | undefined
  /** `202 accepted`, `401 invalid_signature`, `no answer: ECONNRESET`. */
  readonly label: string
  readonly attempts: number
}

/** What became of all requests. */
export interface SendReport {
  /** Requests, however often each was tried. */
  readonly sent: number
  /** Attempts beyond each request's first. */
  readonly redelivered: number
  /** Where the log keeps each request that was answered 202, as `<partition>/<entry id>`. */
  readonly acknowledged: readonly string[]
  /** Requests by {@link Delivery.label}. */
  readonly byAnswer: Readonly<Record<string, number>>
  /** Requests whose last attempt got no answer: nobody knows whether they are in the log. */
  readonly unanswered: number
  /** Answered, but not as the sample expects. */
  readonly unexpected: readonly Delivery[]
}

/** Whether a delivery was answered as its sample expects. */
function isExpected({ request, answer }: Delivery): boolean {
  if (answer === undefined) return false
  return answer.code === request.expect && (answer.status === 202) === (request.expect === 'accepted')
}

/**
 * Sends requests and keeps account of the answers. The report grows with every request; for traffic without an
 * end use {@link transmit}.
 * @param onAnswer is told of each request in the end
 */
export async function sendTraffic(
  options: SendOptions & { readonly onAnswer?: (delivery: Delivery) => void },
): Promise<SendReport> {
  const acknowledged: string[] = []
  const unexpected: Delivery[] = []
  const byAnswer: Record<string, number> = {}
  let [sent, redelivered, unanswered] = [0, 0, 0]
  await transmit(options, (delivery) => {
    const { answer, label, attempts } = delivery
    sent++
    redelivered += attempts - 1
    byAnswer[label] = (byAnswer[label] ?? 0) + 1
    if (answer === undefined) unanswered++
    else if (!isExpected(delivery)) unexpected.push(delivery)
    if (answer?.status === 202 && answer.entry !== undefined) acknowledged.push(answer.entry)
    options.onAnswer?.(delivery)
  })
  return { sent, redelivered, acknowledged, byAnswer, unanswered, unexpected }
}

/**
 * Sends requests until there are no more or the signal is aborted; remembers nothing.
 * @param onAnswer is told of each request in the end
 */
export async function transmit(options: SendOptions, onAnswer: (delivery: Delivery) => void): Promise<void> {
  const { url, requests, rate = Number.POSITIVE_INFINITY, inFlight = 64, timeoutMs = 10_000 } = options
  const connections = openConnections(url, inFlight, timeoutMs)
  const ending = new AbortController()
  setMaxListeners(0, ending.signal)
  const end = () => {
    ending.abort()
    connections.close()
  }
  const source = requests[Symbol.iterator]()
  const start = performance.now()
  let turns = 0
  // One behind the other, so that one timer runs, and nobody waits for a turn when the requests have run out.
  let queue = Promise.resolve(true)
  let ended = options.signal.aborted
  const turn = () => {
    queue = queue.then(() => !ended && isTime(start + (turns++ * 1_000) / rate, ending.signal))
    return queue
  }
  const lane = async () => {
    while (await turn()) {
      const next = source.next()
      ended = next.done === true
      if (next.done) return
      onAnswer(await deliver(connections, next.value, options, ending.signal))
    }
  }
  options.signal.addEventListener('abort', end)
  try {
    await Promise.all(Array.from({ length: inFlight }, lane))
  } finally {
    options.signal.removeEventListener('abort', end)
    end()
  }
}

async function deliver(
  connections: Connections,
  request: SampleRequest,
  { senders, attempts = 1 }: SendOptions,
  ending: AbortSignal,
): Promise<Delivery> {
  for (let attempt = 1; ; attempt++) {
    // Signed anew: a timestamp that was right at the first attempt may be too old at the last.
    const headers = headersOf(request, senders)
    const outcome = await connections.post(request.contract.path, headers, request.body).catch(asError)
    const answer = outcome instanceof Error ? undefined : outcome
    const label =
      outcome instanceof Error ? `no answer: ${reason(outcome)}` : `${outcome.status} ${outcome.code}`.trim()
    const delivery: Delivery = { request, answer, label, attempts: attempt }
    if (attempt >= attempts || !isPassing(answer)) return delivery
    const pauseMs = Math.max(backoffMs(attempt, REDELIVERY), answer?.retryAfterMs ?? 0)
    if (!(await isTime(performance.now() + pauseMs, ending))) return delivery
  }
}

/** Waits for a moment of `performance.now()`. @returns false once the signal is aborted */
async function isTime(moment: number, signal: AbortSignal): Promise<boolean> {
  const restMs = moment - performance.now()
  if (restMs >= 1) await sleep(restMs, undefined, { signal }).catch(() => undefined)
  return !signal.aborted
}

function isPassing(answer: HttpAnswer | undefined): boolean {
  return answer === undefined || answer.status === 429 || answer.status >= 500
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}

/** `ECONNREFUSED` and its like are more telling, and fewer, than messages with ports in them. */
function reason(error: Error & { code?: string }): string {
  return error.code ?? error.message
}
