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
import { readHead } from './head.js'
import type { HttpRequest } from './http/http.js'
import { RequestContext } from './request-context.js'
import { RequestTrace } from './request-trace.js'
import type { Traffic } from './traffic.js'
import { type ValidationFailure, validate } from './validate.js'

/** A contract, and who may post to it. */
export interface GuardedContract {
  readonly contract: Contract
  readonly access: Access
}

/** The two ways to write to Redis. */
export interface Log {
  readonly entries: GroupCommit<NewEntry, Appended>
  readonly letters: GroupCommit<DeadLetter, string>
}

/**
 * Handles a webhook: size, body, signature, JSON, shape, log, answer. The hot path: a request costs its object and
 * half a dozen closures, no promise and no timer; a request that is not traced costs one random number more.
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
  const { name: source, path: route, reportsMissingSignature } = contract
  const { headers, check, repeated } = createAuthenticator(access, reportsMissingSignature)
  return (request: HttpRequest) => {
    const context = new RequestContext(request, traffic, record)
    const head = readHead(request, headers)
    if (tracing.sample()) {
      const { delivery } = head
      context.trace = new RequestTrace(tracing, request, { route, source, delivery, sender: head })
    }
    if (head.ambiguous) return context.refuse('ambiguous_length')
    if (traffic.full) return context.refuse('overloaded')
    if (!admission.admits()) return context.refuse('backlogged')
    return readBody(request, context, head.length, limits, (body) => {
      const authError = repeated[head.repeated] ?? check(head.credentials, body)
      if (authError) return context.refuse(authError.code, authError.message)
      const failure = validate(contract, body)
      context.queue()
      admission.take(body.length)
      const trace = context.trace?.queued(body.length) ?? ''
      const received = { source, delivery: head.delivery, trace, body }
      return failure
        ? deadLetter(log.letters, context, received, failure)
        : keep(log.entries, context, received)
    })
  }
}

function keep(entries: Log['entries'], context: RequestContext, received: NewEntry): void {
  entries.add(
    received,
    received.body.length,
    ({ partition, stream, ids }, index) => context.accept(`${partition}/${ids[index]}`, stream),
    (why) => context.refuse(why),
  )
}

/** Answers a refusal only after the body is kept as a dead letter for inspection. */
function deadLetter(
  letters: Log['letters'],
  context: RequestContext,
  received: NewEntry,
  failure: ValidationFailure,
): void {
  const { reason, message } = failure
  letters.add(
    letterFromEdge(received, failure),
    received.body.length,
    (stream) => {
      context.trace?.kept(stream)
      context.refuse(reason, message)
    },
    (why) => context.refuse(why),
  )
}
