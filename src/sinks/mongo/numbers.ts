import { Decimal128, Long } from 'mongodb'

/** The driver writes whole numbers beyond 32 bits as doubles, unless they are bigints. */
const [MIN_INT32, MAX_INT32] = [-(2 ** 31), 2 ** 31 - 1]
/** The driver reads whole numbers up to here as numbers. */
const MAX_NUMBER = 2 ** 53
const [MIN_INT64, MAX_INT64] = [-(2n ** 63n), 2n ** 63n - 1n]
/** What a Decimal128 holds exactly. */
const MAX_DECIMAL = 10n ** 34n - 1n
/** In the upper half of a Decimal128: its sign, and the exponent of whole numbers, which is 0. */
const [NEGATIVE, EXPONENT] = [1n << 63n, 6176n << 49n]
const COEFFICIENT_BITS = 49

/** Most digits of a whole number that MongoDB keeps. */
export const MOST_DIGITS = 34

/** Whether MongoDB can keep a whole number exactly. */
export function isStorable(whole: bigint): boolean {
  return whole <= MAX_DECIMAL && whole >= -MAX_DECIMAL
}

/**
 * A value for the driver: whole numbers become Int32 or Int64, or Decimal128 where 64 bits are too few. Returns a copy
 * where anything has to change, else the value itself.
 */
export function toBson(value: unknown): unknown {
  if (typeof value === 'string') return value
  if (typeof value === 'number') {
    if (!Number.isInteger(value) || (value >= MIN_INT32 && value <= MAX_INT32)) return value
    return Math.abs(value) <= MAX_NUMBER ? BigInt(value) : value
  }
  if (typeof value === 'bigint') {
    return value >= MIN_INT64 && value <= MAX_INT64 ? value : toDecimal(value)
  }
  return mapped(value, toBson)
}

/** A value as events have it: the inverse of {@link toBson}. Leaves alone what Tributary did not write. */
export function fromBson(value: unknown): unknown {
  if (value instanceof Long) return value.toBigInt()
  if (value instanceof Decimal128) return fromDecimal(value)
  return mapped(value, fromBson)
}

/** Costs a fifth of the driver's own conversion from text. */
function toDecimal(whole: bigint): Decimal128 {
  const bytes = Buffer.alloc(16)
  const digits = whole < 0n ? -whole : whole
  bytes.writeBigUInt64LE(BigInt.asUintN(64, digits))
  bytes.writeBigUInt64LE((whole < 0n ? NEGATIVE : 0n) | EXPONENT | (digits >> 64n), 8)
  return new Decimal128(bytes)
}

/** The whole number that {@link toDecimal} has written, else the value itself. */
function fromDecimal(decimal: Decimal128): bigint | Decimal128 {
  const bytes = Buffer.from(decimal.bytes)
  const upper = bytes.readBigUInt64LE(8)
  const digits = (BigInt.asUintN(COEFFICIENT_BITS, upper) << 64n) | bytes.readBigUInt64LE()
  const whole = upper >= NEGATIVE ? -digits : digits
  const isOurs = (upper | NEGATIVE) >> 49n === (EXPONENT | NEGATIVE) >> 49n && isStorable(whole)
  return isOurs && (whole < MIN_INT64 || whole > MAX_INT64) ? whole : decimal
}

/** Maps the children of an array or a plain object. Returns the value itself where that changes nothing. */
function mapped(value: unknown, map: (child: unknown) => unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) {
    let copy: unknown[] | undefined
    for (let at = 0; at < value.length; at++) {
      const child = map(value[at])
      if (Object.is(child, value[at])) continue
      copy ??= [...value]
      copy[at] = child
    }
    return copy ?? value
  }
  // The driver's own types, dates and the like are no plain objects.
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== null && prototype !== Object.prototype) return value
  let copy: Map<string, unknown> | undefined
  for (const [name, old] of Object.entries(value)) {
    const child = map(old)
    if (Object.is(child, old)) continue
    copy ??= new Map(Object.entries(value))
    copy.set(name, child)
  }
  return copy === undefined ? value : Object.fromEntries(copy)
}
