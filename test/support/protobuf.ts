/** What a message's bytes hold for one field number: numbers and times as bigint, all else as bytes. */
type Value = bigint | Uint8Array

/** One message of protobuf's wire format, without its schema. It reads what OTLP uses: no groups. */
export class Message {
  readonly #fields = new Map<number, Value[]>()

  /** @throws Error where the bytes are no message */
  constructor(bytes: Uint8Array) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    let at = 0
    const varint = (): bigint => {
      let value = 0n
      for (let shift = 0n; ; shift += 7n) {
        const byte = view.getUint8(at++)
        value |= BigInt(byte & 0x7f) << shift
        if (byte < 0x80) return value
      }
    }
    const take = (length: number): Uint8Array => {
      if (at + length > bytes.length) throw new Error('a protobuf message ends in the middle of a field')
      at += length
      return bytes.subarray(at - length, at)
    }
    const readers: Record<number, () => Value> = {
      0: varint,
      1: () => littleEndian(take(8)),
      2: () => take(Number(varint())),
      5: () => littleEndian(take(4)),
    }
    while (at < bytes.length) {
      const tag = Number(varint())
      const read = readers[tag & 7]
      if (!read) throw new Error(`wire type ${tag & 7} is none that OTLP uses`)
      const field = tag >>> 3
      const values = this.#fields.get(field) ?? []
      values.push(read())
      this.#fields.set(field, values)
    }
  }

  /** Whether the field is there at all. */
  has(field: number): boolean {
    return this.#fields.has(field)
  }

  /** Every message of a repeated field. */
  messages(field: number): Message[] {
    return this.#all(field).map((value) => new Message(asBytes(value)))
  }

  /** A string; empty where it is absent, as in protobuf 3. */
  text(field: number): string {
    return Buffer.from(this.#bytes(field)).toString('utf8')
  }

  /** Bytes as lower-case hex, as ids of traces and spans are written; empty where they are absent. */
  hex(field: number): string {
    return Buffer.from(this.#bytes(field)).toString('hex')
  }

  /** An integer without a sign of its own; 0 where it is absent. */
  integer(field: number): bigint {
    const value = this.#all(field).at(-1) ?? 0n
    if (typeof value !== 'bigint') throw new Error(`field ${field} is no number`)
    return value
  }

  /** A double; 0 where it is absent. */
  double(field: number): number {
    return Buffer.from(new BigUint64Array([this.integer(field)]).buffer).readDoubleLE()
  }

  #bytes(field: number): Uint8Array {
    return asBytes(this.#all(field).at(-1) ?? new Uint8Array())
  }

  #all(field: number): readonly Value[] {
    return this.#fields.get(field) ?? []
  }
}

function asBytes(value: Value): Uint8Array {
  if (typeof value === 'bigint') throw new Error('a number stands where bytes are expected')
  return value
}

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n)
}
