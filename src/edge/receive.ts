import type { Access } from '../../schemas/authentication.js'
import type { Contract } from '../../schemas/contract.js'
import { type DeadLetter, letterFromEdge } from '../stream/dead-letter.js'
import type { NewEntry } from '../stream/entry.js'
import type { Appended } from '../stream/producer.js'
import type { RecordRequest } from '../telemetry/edge-metrics.js'
import type { Tracing } from '../telemetry/tracing.js'
import type { Admission } from './admission.js'
import type { GroupCommit } from './append.js'
import { createAuthenticator } from './auth/authenticator.js'
import { type BodyLimits, readBody } from './body.js'
import { Exchange } from './exchange.js'
import { readHead } from './head.js'
import type { HttpRequest } from './http/http.js'
import { RequestTrace } from './request-trace.js'
import type { Traffic } from './traffic.js'
import { type Rejection, validate } from './validate.js'

/** A contract, and who may send by it. */
export interface GuardedContract {
  readonly contract: Contract
  readonly access: Access
}

/** The two ways into Redis. */
export interface Log {
  readonly entries: GroupCommit<NewEntry, Appended>
  readonly letters: GroupCommit<DeadLetter, string>
}

/**
 * The way of a webhook: size, body, signature, JSON, shape, log, answer. The hot path: it costs a request its
 * object and half a dozen closures, no promise and no timer; tracing costs those that are not sampled one random number.
 */
export function receiver(
  { contract, access }: GuardedContract,
  limits: BodyLimits,
  traffic: Traffic,
  admission: Admission,
  log: Log,
  tracing: Tracing,
  record?: RecordRequest,
) {
  const { name: source, path: route, tellsMissing } = contract
  const { headers, check, repeated } = createAuthenticator(access, tellsMissing)
  return (request: HttpRequest) => {
    const exchange = new Exchange(request, traffic, record)
    const head = readHead(request, headers)
    if (tracing.sample()) {
      const { delivery } = head
      exchange.trace = new RequestTrace(tracing, request, { route, source, delivery, sender: head })
    }
    if (head.ambiguous) return exchange.refuse('ambiguous_length')
    if (traffic.full) return exchange.refuse('overloaded')
    if (!admission.admits()) return exchange.refuse('backlogged')
    return readBody(request, exchange, head.length, limits, (body) => {
      const denial = repeated[head.repeated] ?? check(head.credentials, body)
      if (denial) return exchange.refuse(denial.code, denial.message)
      const rejection = validate(contract, body)
      exchange.queue()
      admission.take(body.length)
      const trace = exchange.trace?.queued(body.length) ?? ''
      const received = { source, delivery: head.delivery, trace, body }
      return rejection
        ? bury(log.letters, exchange, received, rejection)
        : keep(log.entries, exchange, received)
    })
  }
}

function keep(entries: Log['entries'], exchange: Exchange, received: NewEntry): void {
  entries.add(
    received,
    received.body.length,
    ({ partition, stream, ids }, index) => exchange.accept(`${partition}/${ids[index]}`, stream),
    (why) => exchange.refuse(why),
  )
}

/** The sender learns of its mistake only when what it sent is kept for inspection. */
function bury(letters: Log['letters'], exchange: Exchange, received: NewEntry, rejection: Rejection): void {
  const { reason, message } = rejection
  letters.add(
    letterFromEdge(received, rejection),
    received.body.length,
    (stream) => {
      exchange.trace?.kept(stream)
      exchange.refuse(reason, message)
    },
    (why) => exchange.refuse(why),
  )
}
