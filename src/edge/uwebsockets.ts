import { createRequire } from 'node:module'

type UWebSockets = typeof import('uWebSockets.js')

declare module 'uWebSockets.js' {
  interface TemplatedApp {
    /** Is told of every connection: 1 when it is open, -1 when it is closed. Left out by the package's own types. */
    filter(handler: (res: HttpResponse, change: number) => void): TemplatedApp
    /** The native code takes host, port and options together; the package's own types leave this form out. */
    listen(
      host: RecognizedString,
      port: number,
      options: ListenOptions,
      cb: (listenSocket: us_listen_socket | false) => void,
    ): TemplatedApp
  }
}

/** What a native module has to fit to. */
export interface Platform {
  /** `v20.20.2` */
  readonly node: string
  /** `2.36`; `undefined` where there is none: musl, macOS, Windows. */
  readonly glibc: string | undefined
  /** `linux x64` */
  readonly system: string
}

/**
 * Loads the HTTP server.
 * @throws Error that says what was found, what is needed and what to do, where its native part does not load
 */
export function loadUWebSockets(
  load: (name: string) => UWebSockets = createRequire(import.meta.url),
): UWebSockets {
  try {
    return load('uWebSockets.js')
  } catch (error) {
    throw new Error(explainLoadFailure(thisPlatform(), error), { cause: error })
  }
}

/** Why uWebSockets.js does not load, for a person. */
export function explainLoadFailure({ node, glibc, system }: Platform, cause: unknown): string {
  return [
    `The HTTP server uWebSockets.js (npm package "uwebsockets") cannot be loaded.`,
    `Found: Node ${node}, ${glibc === undefined ? 'no glibc' : `glibc ${glibc}`}, ${system}.`,
    `Needed: its npm build runs on Node 20 with glibc 2.27 or newer, on Node 22 and newer with glibc 2.38 or newer.`,
    `Remedy: use Node 20, or install the official build by tag from its own repository, for example with`,
    `  npm install uWebSockets.js@uNetworking/uWebSockets.js#v20.66.0`,
    `Cause: ${cause instanceof Error ? cause.message : String(cause)}`,
  ].join('\n')
}

function thisPlatform(): Platform {
  return { node: process.version, glibc: glibcVersion(), system: `${process.platform} ${process.arch}` }
}

function glibcVersion(): string | undefined {
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } }
  return header?.glibcVersionRuntime
}
