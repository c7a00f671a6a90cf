import { randomFillSync } from 'node:crypto'
import { INVALID_SPANID, INVALID_TRACEID } from '@opentelemetry/api'

/** Random bytes are asked for by the page: a call costs more than the bytes. */
const pool = Buffer.allocUnsafe(8_192)
let used = pool.length

/** A new id of a trace: 16 random bytes as hexadecimal digits, not all of them 0. Costs 0.1 us. */
export function newTraceId(): string {
  const id = randomHex(16)
  return id === INVALID_TRACEID ? newTraceId() : id
}

/** A new id of a span: 8 random bytes as hexadecimal digits, not all of them 0. Costs 0.1 us. */
export function newSpanId(): string {
  const id = randomHex(8)
  return id === INVALID_SPANID ? newSpanId() : id
}

function randomHex(bytes: number): string {
  if (used + bytes > pool.length) {
    randomFillSync(pool)
    used = 0
  }
  used += bytes
  return pool.toString('hex', used - bytes, used)
}
