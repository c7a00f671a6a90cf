import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'

/** A check that takes longer counts as failed, in ms. */
const CHECK_TIMEOUT_MS = 2_000
/** Maximum time to make an answer, in ms. */
const READ_TIMEOUT_MS = 5_000
const JSON_TYPE = 'application/json'
const compress = promisify(gzip)
const STARTING = 'it has not started yet; the log says what it waits for'

/** What a role reports about itself. */
export interface Probe {
  /** The role's name. */
  readonly name: string
  /** Resolves when the role can work now; the rejection's message says why it cannot. */
  ready(signal: AbortSignal): Promise<void>
  /** Its figures. */
  stats(): unknown | Promise<unknown>
  /** Says which loop hangs, if any; without this function the role is alive as long as the process answers. */
  stuck?(): string | undefined
}

/** A body in one of several formats. */
export interface Page {
  /** `Content-Type`. */
  readonly type: string
  readonly body: string
}

/** The admin server, for operators. */
export interface Admin {
  readonly port: number
  add(probe: Probe): void
  /** Serves a document as JSON at a path of its own. */
  serve(path: string, document: unknown): void
  /**
   * Answers at a path of its own; compressed, where the client accepts gzip.
   * @param read makes the body for each request: JSON, or a page for the client's `Accept`; where it fails, or takes
   *   longer than 5 s, the answer is 503
   */
  answer(path: string, read: (accept?: string) => Promise<string | Page>): void
  close(): Promise<void>
}

/**
 * Serves `/healthz` (200 while alive; 503 where a role's loop hangs, which a restart would help), `/readyz` (200 where
 * every role can work; 503 with the reasons where not, and while stopping: a restart would not help), `/stats` (the
 * roles' figures as JSON), and the paths that are added.
 * @param roles names of the expected probes: a role is not ready until its probe is added
 * @throws Error that names ADMIN_PORT where the port is taken
 */
export async function startAdmin(
  host: string,
  port: number,
  stopping: AbortSignal,
  roles: readonly string[] = [],
): Promise<Admin> {
  const probes: Probe[] = []
  const routes: Record<string, Route> = {
    '/healthz': (response) => {
      const problems = stuck(probes)
      const alive = Object.keys(problems).length === 0
      answer(response, alive ? 200 : 503, alive ? { status: 'alive' } : { status: 'stuck', problems })
    },
    '/readyz': async (response) => {
      const problems = stopping.aborted ? { process: 'stopping' } : await failures(probes, roles)
      const ready = Object.keys(problems).length === 0
      answer(response, ready ? 200 : 503, { status: ready ? 'ready' : 'not ready', problems })
    },
    '/stats': async (response) => {
      const figures = probes.map(async (probe) => [probe.name, await probe.stats()] as const)
      await Promise.all(figures).then(
        (all) => answer(response, 200, Object.fromEntries(all)),
        (error: Error) => answer(response, 503, { error: 'unavailable', message: error.message }),
      )
    },
  }
  const server = createServer((request, response) => {
    const [path = ''] = (request.url ?? '').split('?')
    const route = routes[path]
    if (route) void route(response, request.headers)
    else
      answer(response, 404, { error: 'not_found', message: `Try one of ${Object.keys(routes).join(', ')}` })
  })
  server.listen(port, host)
  await once(server, 'listening').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EADDRINUSE') throw error
    throw new Error(`Port ${port} is taken. Set ADMIN_PORT to a free one, or to 0 for any`, { cause: error })
  })
  return {
    port: (server.address() as AddressInfo).port,
    add: (probe) => probes.push(probe),
    serve: (path, document) => {
      routes[path] = (response) => answer(response, 200, document)
    },
    answer: (path, read) => {
      routes[path] = async (response, headers) => {
        try {
          const page = await within(READ_TIMEOUT_MS, () => read(headers.accept))
          await send(response, headers, typeof page === 'string' ? { type: JSON_TYPE, body: page } : page)
        } catch (error) {
          answer(response, 503, { error: 'unavailable', message: String((error as Error).message) })
        }
      }
    },
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

type Route = (response: ServerResponse, headers: IncomingHttpHeaders) => void | Promise<void>

async function send(
  response: ServerResponse,
  headers: IncomingHttpHeaders,
  { type, body }: Page,
): Promise<void> {
  const accepted = String(headers['accept-encoding'] ?? '')
  const head = { 'content-type': type, vary: 'accept, accept-encoding' }
  if (!/\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/.test(accepted)) {
    response.writeHead(200, head).end(body)
    return
  }
  const packed = await compress(body)
  response.writeHead(200, { ...head, 'content-encoding': 'gzip' }).end(packed)
}

async function failures(probes: readonly Probe[], roles: readonly string[]): Promise<Record<string, string>> {
  const problems: Record<string, string> = {}
  for (const name of roles) {
    if (!probes.some((probe) => probe.name === name)) problems[name] = STARTING
  }
  await Promise.all(
    probes.map(async (probe) => {
      await within(CHECK_TIMEOUT_MS, (signal) => probe.ready(signal)).catch((error: Error) => {
        problems[probe.name] = error.message
      })
    }),
  )
  return problems
}

/** @throws Error when the time is over, even if the work continues; the signal is then aborted */
async function within<T>(ms: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const signal = AbortSignal.timeout(ms)
  const tooLate = once(signal, 'abort').then(() => {
    throw new Error(`no answer within ${ms / 1_000} s`)
  })
  return await Promise.race([work(signal), tooLate])
}

function stuck(probes: readonly Probe[]): Record<string, string> {
  const problems = probes.flatMap((probe) => {
    const problem = probe.stuck?.()
    return problem === undefined ? [] : [[probe.name, problem]]
  })
  return Object.fromEntries(problems) as Record<string, string>
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': JSON_TYPE }).end(`${JSON.stringify(body)}\n`)
}
