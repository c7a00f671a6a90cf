import { connect, type Socket } from 'node:net'

/** Memory for an answer: all of them are short. */
const ANSWER_BYTES = 4_096
const END_OF_HEAD = Buffer.from('\r\n\r\n')

/**
 * One keep-alive connection with at most one request on its way. Node's own client takes three times as long for a
 * request, and on two cores what the generator takes the server lacks.
 */
export class Connection {
  readonly #socket: Socket
  /** What has come of an answer so far, where it came in parts. */
  #parts: Buffer | undefined
  #waiting = false

  /**
   * @param answered is called with the status of each answer
   * @param closed is called once, where the connection ends; @param waiting whether an answer was due
   */
  constructor(
    port: number,
    private readonly answered: (status: number) => void,
    private readonly closed: (waiting: boolean) => void,
  ) {
    const buffer = Buffer.alloc(ANSWER_BYTES)
    this.#socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer,
        callback: (bytes, memory) => {
          this.#take(memory.subarray(0, bytes))
          return true
        },
      },
    })
    this.#socket.on('error', () => undefined)
    this.#socket.once('close', () => this.closed(this.#waiting))
  }

  /** Whether a request may be sent. */
  get idle(): boolean {
    return !this.#waiting && !this.#socket.destroyed
  }

  /** Resolves when it is open, or closed again. */
  open(): Promise<void> {
    return new Promise((resolve) => {
      this.#socket.once('connect', resolve).once('close', () => resolve())
    })
  }

  send(request: Buffer): void {
    this.#waiting = true
    this.#socket.write(request)
  }

  close(): void {
    this.#socket.destroy()
  }

  #take(chunk: Uint8Array): void {
    const part = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    const answer = this.#parts ? Buffer.concat([this.#parts, part]) : part
    const head = answer.indexOf(END_OF_HEAD)
    if (head < 0 || answer.length < head + END_OF_HEAD.length + lengthOf(answer, head)) {
      this.#parts = Buffer.from(answer)
      return
    }
    this.#parts = undefined
    this.#waiting = false
    this.answered(statusOf(answer))
  }
}

/** `HTTP/1.1 202 Accepted` */
function statusOf(answer: Buffer): number {
  return ((answer[9] ?? 0) - 48) * 100 + ((answer[10] ?? 0) - 48) * 10 + (answer[11] ?? 0) - 48
}

const LENGTH = /content-length: *(\d+)/i

function lengthOf(answer: Buffer, head: number): number {
  return Number(LENGTH.exec(answer.toString('latin1', 0, head))?.[1] ?? 0)
}
