import { createRequire } from 'node:module'
import type { HttpName, StartHttpServer } from './http.js'
import { startNode } from './node.js'
import { startUws, type UWebSockets } from './uws.js'

/** What decides whether a native module loads. */
export interface Platform {
  /** `v20.20.2` */
  readonly node: string
  /** `2.36`; `undefined` where there is none: musl, macOS, Windows. */
  readonly glibc: string | undefined
  /** `linux x64` */
  readonly system: string
}

/** The HTTP server of an edge. */
export interface HttpChoice {
  readonly name: HttpName
  readonly start: StartHttpServer
  /** Whether several processes can listen on one port with this server. */
  readonly sharesPort: boolean
  /** Why it is not uWebSockets.js, what that costs and what helps, in one line; absent where `node` was configured. */
  readonly notice?: string
}

/**
 * Chooses the HTTP server: uWebSockets.js wherever it loads, else `node:http`.
 * @param setting `EDGE_HTTP`
 * @throws Error where the setting is `uws` and it does not load; the message says what was found, what it needs, what to do
 */
export function chooseHttp(
  setting: 'auto' | HttpName,
  load: (name: string) => UWebSockets = createRequire(import.meta.url),
): HttpChoice {
  const node = { name: 'node', start: startNode, sharesPort: nodeSharesPort() } as const
  if (setting === 'node') return node
  try {
    return { name: 'uws', start: startUws(load('uWebSockets.js')), sharesPort: process.platform === 'linux' }
  } catch (error) {
    const why = explainLoadFailure(thisPlatform(), error)
    if (setting === 'uws') throw new Error(`EDGE_HTTP=uws: ${why} Or set EDGE_HTTP=node.`, { cause: error })
    const notice = `The edge runs on node:http, which takes about 1.6 times the CPU for a request: ${why}`
    return { ...node, notice }
  }
}

/** Why uWebSockets.js does not load, for a person, in one line. All remedies in it are tested. */
export function explainLoadFailure({ node, glibc, system }: Platform, cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause)
  const reason = message.split('\n').filter(Boolean).at(-1)
  return [
    `uWebSockets.js (npm package "uwebsockets") does not load on Node ${node}, ${glibc === undefined ? 'no glibc' : `glibc ${glibc}`}, ${system} (${reason}).`,
    'It needs glibc 2.27 with Node 20, and glibc 2.38 with Node 22 and 24.',
    'Run it on Debian 13 or another system with glibc 2.38, or with Node 20.',
  ].join(' ')
}

/** Older versions of Node ignore `reusePort`. */
function nodeSharesPort(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  return process.platform === 'linux' && (major > 22 || (major === 22 && minor >= 12))
}

function thisPlatform(): Platform {
  return { node: process.version, glibc: glibcVersion(), system: `${process.platform} ${process.arch}` }
}

function glibcVersion(): string | undefined {
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } }
  return header?.glibcVersionRuntime
}
