import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { backoffMs } from '../../retry.js'
import { type Connections, type HttpAnswer, openConnections } from './post.js'
import type { SampleRequest } from './samples.js'
import { headersOf, type Senders } from './signing.js'

/** Pauses between attempts of the same request. */
const REDELIVERY = { initialMs: 200, maxMs: 5_000 }

/** What to send, where to and how. */
export interface SendOptions {
  /** URL of the edge, without a path. */
  readonly url: string
  /** Requests; each is taken only when it is sent. */
  readonly requests: Iterable<SampleRequest>
  /** Requests per second, however long answers take: an open loop. Default: as fast as answers come. */
  readonly rate?: number
  readonly senders: Senders
  /** Stops it: connections are cut, and requests that wait for an answer or an attempt stay unanswered. */
  readonly signal: AbortSignal
  /** Most requests in flight at a time; while that many are, no more are sent whatever the rate. Default 64. */
  readonly inFlight?: number
  /** Attempts for a request that gets 429, 5xx or no answer, as at-least-once senders do. Default 1. */
  readonly attempts?: number
  /** Silence after which a request counts as unanswered, in ms. Default 10 s. */
  readonly timeoutMs?: number
}

/** The final outcome of one request. */
export interface Delivery {
  readonly request: SampleRequest
  /** The last answer; `undefined` where the last attempt got none. */
  readonly answer: HttpAnswer | undefined
  /** `202 accepted`, `401 invalid_signature`, `no answer: ECONNRESET`. */
  readonly label: string
  readonly attempts: number
}

/** The outcome of all requests. */
export interface SendReport {
  /** Number of requests; each counts once, however many attempts it took. */
  readonly sent: number
  /** Attempts beyond each request's first. */
  readonly redelivered: number
  /** Entries in the log, `<partition>/<entry id>`, of the requests that were answered 202. */
  readonly acknowledged: readonly string[]
  /** Number of requests by {@link Delivery.label}. */
  readonly byAnswer: Readonly<Record<string, number>>
  /** Number of requests whose last attempt got no answer: they may or may not be in the log. */
  readonly unanswered: number
  /** Requests with another answer than the sample expects. */
  readonly unexpected: readonly Delivery[]
}

/** Whether a delivery was answered as its sample expects. */
function isExpected({ request, answer }: Delivery): boolean {
  if (answer === undefined) return false
  return answer.code === request.expect && (answer.status === 202) === (request.expect === 'accepted')
}

/**
 * Sends requests and reports the answers. The report grows with every request; for endless traffic use
 * {@link transmit}.
 * @param onAnswer called with the final outcome of each request
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
 * Sends requests until there are no more or the signal is aborted; keeps no report.
 * @param onAnswer called with the final outcome of each request
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
  // Turns are queued, so that only one timer runs, and no lane waits for its turn once the requests have run out.
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
    // Signed again for each attempt: the first attempt's timestamp may be too old by the last.
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

/** Waits until a moment of `performance.now()`. @returns false once the signal is aborted */
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

/** The error's code, such as `ECONNREFUSED`: clearer than a message, and the same for every port. */
function reason(error: Error & { code?: string }): string {
  return error.code ?? error.message
}
