import type { Contract } from '../../schemas/contract.js'
import { explain } from '../../schemas/shape.js'
import type { ValidationError } from '../errors.js'

/** Why a body is refused; its reason is both the code of the answer and the reason of the dead letter. */
export interface ValidationFailure {
  readonly reason: 'malformed_json' | 'invalid_body'
  /** The exact error, for a person. */
  readonly message: string
  /** All errors of the shape, one by one; empty for other errors. */
  readonly errors: readonly ValidationError[]
}

/** Refuses what is not UTF-8; keeps a byte order mark, so that we see it: RFC 8259 forbids to send one. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const BYTE_ORDER_MARK = '\uFEFF'

/**
 * Checks that a body is JSON of its contract's shape; the workers check the events in it. Parses once: about 2 us
 * for 600 bytes.
 * @returns what is wrong; `undefined` where nothing is
 */
export function validate(contract: Contract, body: Buffer): ValidationFailure | undefined {
  if (body.length === 0) return malformed('The body is empty; send JSON')
  let value: unknown
  try {
    const text = utf8.decode(body)
    if (text.startsWith(BYTE_ORDER_MARK))
      return malformed('The body starts with a byte order mark; leave it out')
    value = JSON.parse(text)
  } catch (error) {
    return malformed(
      error instanceof SyntaxError ? `The body is not JSON: ${error.message}` : 'The body is not UTF-8',
    )
  }
  if (contract.body.matches(value)) return undefined
  const errors = contract.body.errors(value)
  return {
    reason: 'invalid_body',
    message: `The body is not one of ${contract.name}: ${explain(errors)}`,
    errors,
  }
}

function malformed(message: string): ValidationFailure {
  return { reason: 'malformed_json', message, errors: [] }
}
