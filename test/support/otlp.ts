import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import { decodeMetricNames, decodeTraces, type Span } from './otlp-messages.js'

/**
 * What a receiver does with the next requests: takes them; answers with a status and takes nothing; answers after
 * some milliseconds; never answers; closes the connection without an answer.
 */
export type Manners = 'well' | { readonly status: number } | { readonly delayMs: number } | 'hang' | 'close'

/** An OTLP/HTTP receiver, as a Collector is one, that keeps what it takes. */
export interface OtlpReceiver {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly url: string
  /** In the order of arrival. */
  readonly spans: Span[]
  readonly metricNames: Set<string>
  /** Requests that came, whatever became of them. */
  readonly requests: number
  behave(manners: Manners): void
  /** Ends it and all requests that wait for its answer. Its port is free then. */
  close(): Promise<void>
}

/** @param port default: any that is free */
export async function startOtlpReceiver(port = 0): Promise<OtlpReceiver> {
  const spans: Span[] = []
  const metricNames = new Set<string>()
  const ending = new AbortController()
  let manners: Manners = 'well'
  let requests = 0
  const take: Record<string, (body: Uint8Array) => void> = {
    '/v1/traces': (body) => spans.push(...decodeTraces(body)),
    '/v1/metrics': (body) => {
      for (const name of decodeMetricNames(body)) metricNames.add(name)
    },
  }

  /** @returns the status to answer with; nothing where there is no answer */
  const receive = async (request: IncomingMessage): Promise<number | undefined> => {
    const keep = take[request.url ?? '']
    if (request.method !== 'POST' || !keep) return 404
    if (request.headers['content-type'] !== 'application/x-protobuf') return 415
    const raw = await buffer(request)
    const body = request.headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw
    if (manners === 'close') request.destroy()
    if (manners === 'close' || manners === 'hang') return undefined
    return await takeOrRefuse(() => keep(body))
  }
  const takeOrRefuse = async (keep: () => void): Promise<number> => {
    if (typeof manners === 'object' && 'status' in manners) return manners.status
    if (typeof manners === 'object') await sleep(manners.delayMs, undefined, { signal: ending.signal })
    keep()
    return 200
  }
  const server = createServer((request, response) => {
    requests++
    receive(request).then(
      (status) => status !== undefined && answer(response, status),
      // Whoever has gone away, or sends what is no OTLP, gets no answer; the spans that are missing tell a test.
      () => response.destroy(),
    )
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    metricNames,
    get requests() {
      return requests
    },
    behave: (next) => {
      manners = next
    },
    close: async () => {
      ending.abort()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** An empty response message of protobuf: everything was taken. */
function answer(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'content-type': 'application/x-protobuf' }).end()
}
