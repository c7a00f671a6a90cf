/** Protobuf's wire types. */
const [VARINT, FIXED64, LENGTH, FIXED32] = [0, 1, 2, 5]

/** Values of the digits, by character code. */
const DIGITS = new Uint8Array(128)
for (let value = 0; value < 16; value++) DIGITS[value.toString(16).charCodeAt(0)] = value

/**
 * Writes a protobuf message, in one pass: a message inside another one gets its length when it is complete, and is
 * moved where that takes more than a byte.
 */
export class ProtobufWriter {
  #bytes: Buffer
  #at = 0

  /** @param size in bytes that the message will have, more or less */
  constructor(size: number) {
    this.#bytes = Buffer.allocUnsafe(size)
  }

  /** Where the next field will be written. */
  get at(): number {
    return this.#at
  }

  /** The message; the writer takes nothing more. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#at)
  }

  /** Begins a message inside this one. @returns what {@link end} takes */
  begin(field: number): number {
    this.#reserve(11)
    this.#tag(field, LENGTH)
    return this.#at++
  }

  /** Ends the message that was begun last. @param start of {@link begin} */
  end(start: number): void {
    const length = this.#at - start - 1
    const more = varintSize(length) - 1
    if (more > 0) {
      this.#reserve(more)
      this.#bytes.copyWithin(start + 1 + more, start + 1, this.#at)
    }
    this.#at = start
    this.#varint(length)
    this.#at += length
  }

  /** Writes once more what was written from one place to another. */
  repeat(from: number, to: number): void {
    this.#reserve(to - from)
    this.#bytes.copyWithin(this.#at, from, to)
    this.#at += to - from
  }

  string(field: number, text: string): void {
    this.#reserve(20 + text.length * 3)
    this.#tag(field, LENGTH)
    const bytes = this.#bytes
    const start = this.#at
    // Most are short and ASCII, where this is faster than a call to Node.
    let at = start + 1
    if (text.length < 128) {
      for (let i = 0; i < text.length; i++) {
        const code = text.charCodeAt(i)
        if (code > 127) break
        bytes[at++] = code
      }
      if (at - start - 1 === text.length) {
        bytes[start] = text.length
        this.#at = at
        return
      }
    }
    const length = Buffer.byteLength(text)
    this.#varint(length)
    this.#at += bytes.write(text, this.#at)
  }

  /** @param digits hexadecimal, an even number of them below 256 */
  hex(field: number, digits: string): void {
    this.#reserve(20 + digits.length)
    this.#tag(field, LENGTH)
    this.#varint(digits.length >> 1)
    const bytes = this.#bytes
    for (let i = 0; i < digits.length; i += 2) {
      const high = DIGITS[digits.charCodeAt(i)] ?? 0
      bytes[this.#at++] = (high << 4) | (DIGITS[digits.charCodeAt(i + 1)] ?? 0)
    }
  }

  /** @param value an integer of 64 bits with its sign */
  integer(field: number, value: number): void {
    this.#reserve(20)
    this.#tag(field, VARINT)
    if (value >= 0) this.#varint(value)
    else {
      let rest = BigInt.asUintN(64, BigInt(value))
      for (; rest > 127n; rest >>= 7n) this.#bytes[this.#at++] = Number(rest & 127n) | 128
      this.#bytes[this.#at++] = Number(rest)
    }
  }

  double(field: number, value: number): void {
    this.#reserve(20)
    this.#tag(field, FIXED64)
    this.#at = this.#bytes.writeDoubleLE(value, this.#at)
  }

  fixed32(field: number, value: number): void {
    this.#reserve(20)
    this.#tag(field, FIXED32)
    this.#at = this.#bytes.writeUInt32LE(value, this.#at)
  }

  /** A time in nanoseconds since 1970, of 64 bits: more than a number holds, so it is put together of its halves. */
  time(field: number, [seconds, nanos]: readonly [seconds: number, nanos: number]): void {
    this.#reserve(20)
    this.#tag(field, FIXED64)
    const above = Math.floor(seconds / 65_536) * 1e9
    const below = (above % 65_536) * 65_536 + (seconds % 65_536) * 1e9 + nanos
    this.#at = this.#bytes.writeUInt32LE(below % 2 ** 32, this.#at)
    const high = Math.floor(above / 65_536) + Math.floor(below / 2 ** 32)
    this.#at = this.#bytes.writeUInt32LE(high, this.#at)
  }

  #tag(field: number, type: number): void {
    this.#varint((field << 3) | type)
  }

  #varint(value: number): void {
    let rest = value
    for (; rest > 127; rest = Math.floor(rest / 128)) this.#bytes[this.#at++] = (rest % 128) | 128
    this.#bytes[this.#at++] = rest
  }

  #reserve(size: number): void {
    if (this.#at + size <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe((this.#at + size) * 2)
    this.#bytes.copy(larger, 0, 0, this.#at)
    this.#bytes = larger
  }
}

function varintSize(value: number): number {
  let size = 1
  for (let rest = value; rest > 127; rest = Math.floor(rest / 128)) size++
  return size
}
