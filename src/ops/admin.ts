import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A check that takes longer counts as failed, in ms. */
const CHECK_TIMEOUT_MS = 2_000

/** What a role tells of itself. */
export interface Probe {
  /** The role's name. */
  readonly name: string
  /** Resolves when it can do its work now; the rejection's message says why it cannot. */
  ready(signal: AbortSignal): Promise<void>
  /** Its figures. */
  stats(): unknown
}

/** The operators' own port. */
export interface Admin {
  readonly port: number
  add(probe: Probe): void
  /** Serves a document as JSON at a path of its own. */
  serve(path: string, document: unknown): void
  close(): Promise<void>
}

/**
 * Serves `/healthz` (the process lives), `/readyz` (every role can work; 503 and the reasons where not, and once
 * it is stopping), `/stats` (the roles' figures as JSON), and what roles {@link Admin.serve}.
 * @throws Error that names ADMIN_PORT where the port is taken
 */
export async function startAdmin(host: string, port: number, stopping: AbortSignal): Promise<Admin> {
  const probes: Probe[] = []
  const routes: Record<string, (response: ServerResponse) => void | Promise<void>> = {
    '/healthz': (response) => answer(response, 200, { status: 'alive' }),
    '/readyz': async (response) => {
      const problems = stopping.aborted ? { process: 'stopping' } : await failures(probes)
      const ready = Object.keys(problems).length === 0
      answer(response, ready ? 200 : 503, { status: ready ? 'ready' : 'not ready', problems })
    },
    '/stats': (response) =>
      answer(response, 200, Object.fromEntries(probes.map((probe) => [probe.name, probe.stats()]))),
  }
  const server = createServer((request, response) => {
    const [path = ''] = (request.url ?? '').split('?')
    const route = routes[path]
    if (route) void route(response)
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
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function failures(probes: readonly Probe[]): Promise<Record<string, string>> {
  const problems: Record<string, string> = {}
  await Promise.all(
    probes.map(async (probe) => {
      const signal = AbortSignal.timeout(CHECK_TIMEOUT_MS)
      const tooLate = once(signal, 'abort').then(() => Promise.reject(new Error('no answer within 2 s')))
      await Promise.race([probe.ready(signal), tooLate]).catch((error: Error) => {
        problems[probe.name] = error.message
      })
    }),
  )
  return problems
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`)
}
