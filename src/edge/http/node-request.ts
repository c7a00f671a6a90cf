import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ErrorCode } from '../error-response.js'
import { CONTENT_TYPE, type HttpAnswer, type HttpRequest, type RequestWatcher } from './http.js'

const NOTHING = new Uint8Array(0)

/** A request of `node:http`. */
export class NodeRequest implements HttpRequest {
  #watcher: RequestWatcher | undefined
  #answered = false
  #closes = false

  constructor(
    private readonly incoming: IncomingMessage,
    private readonly response: ServerResponse,
  ) {}

  get method(): string {
    return this.incoming.method ?? ''
  }

  get path(): string {
    const url = this.incoming.url ?? ''
    const query = url.indexOf('?')
    return query < 0 ? url : url.slice(0, query)
  }

  /** Whether an answer was sent. */
  get answered(): boolean {
    return this.#answered
  }

  /** Whether its answer closes, or will close, the connection. */
  get closes(): boolean {
    return this.#closes
  }

  /** Whether the whole request has arrived. */
  get complete(): boolean {
    return this.incoming.complete
  }

  /** HTTP/1.x with exactly one Host, which HTTP/1.0 may leave out (RFC 9112, section 3.2). */
  get isWellFormed(): boolean {
    const { rawHeaders, httpVersionMajor, httpVersionMinor } = this.incoming
    let hosts = 0
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = rawHeaders[i]
      if (name?.length === 4 && name.toLowerCase() === 'host') hosts++
    }
    return httpVersionMajor === 1 && (hosts === 1 || (hosts === 0 && httpVersionMinor === 0))
  }

  eachHeader(visit: (name: string, value: string) => void): void {
    const { rawHeaders } = this.incoming
    for (let i = 0; i < rawHeaders.length; i += 2)
      visit(rawHeaders[i]?.toLowerCase() ?? '', rawHeaders[i + 1] ?? '')
  }

  readBody(read: (part: Uint8Array, isLast: boolean) => void): void {
    const { incoming } = this
    let ended = false
    incoming.on('data', (part: Buffer) => {
      // A body that came with its head is complete by now, so its only part is known to be the last.
      ended = incoming.complete && incoming.readableLength === 0
      read(part, ended)
    })
    incoming.on('end', () => {
      if (!ended) read(NOTHING, true)
    })
  }

  watch(watcher: RequestWatcher): void {
    this.#watcher = watcher
  }

  /** Called when its connection closed. */
  abort(): void {
    if (!this.#answered) this.#watcher?.aborted()
  }

  /** Called when the rest of the body is not HTTP. */
  refuseMalformed(code: ErrorCode): void {
    this.#watcher?.malformed(code)
  }

  /** Makes the connection close after the answer, whatever the edge asks for. */
  closeBehind(): void {
    this.#closes = true
  }

  answer({ status, headers, body, close, withoutBody }: HttpAnswer): void {
    this.#answered = true
    this.#closes ||= close
    const length = String(Buffer.byteLength(body))
    const lines = ['Content-Type', CONTENT_TYPE, 'Content-Length', length, ...headers]
    if (this.#closes) lines.push('Connection', 'close')
    this.response.writeHead(Number.parseInt(status, 10), status.slice(4), lines)
    if (withoutBody) this.response.end()
    else this.response.end(body)
  }
}
