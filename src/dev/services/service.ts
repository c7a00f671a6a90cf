import { join } from 'node:path'

/** A Redis, Postgres or MongoDB server for a run: an existing one, or one that the run started. */
export interface Service {
  readonly name: 'redis' | 'postgres' | 'mongodb'
  readonly url: string
  /** Id of its first process; `undefined` where the run did not start the server, or it does not run. */
  readonly pid: number | undefined
  /** One line for people: what was chosen, and why or where its data is. */
  readonly chose: string
  /** Stops the server cleanly. Does nothing to an existing server. Never throws. */
  stop(): Promise<void>
  /** Kills all processes of the server, like a power cut. @throws Error for an existing server */
  kill(): Promise<void>
  /**
   * Starts a stopped or killed server again, with the same port and data. Resolves when it answers.
   * @throws Error for an existing server, or when it does not start; the signal's reason once it is aborted
   */
  start(signal?: AbortSignal): Promise<void>
  /** Freezes the server (SIGSTOP): connections stay open, nothing answers. @throws Error for an existing server */
  pause(): void
  /** Ends a {@link Service.pause}. @throws Error for an existing server */
  resume(): void
}

export interface EmbeddedOptions {
  /** Absolute path of `.tributary`, the folder for downloads, and for data where `data` is not given. */
  readonly home: string
  /** Absolute path of the folder for data, logs and pid files. Default: `home`. */
  readonly data?: string
  /** Default: a free port. Servers listen on 127.0.0.1 only. */
  readonly port?: number
  /** Called with a line for each step that takes long or is unusual. */
  readonly report: (line: string) => void
  /** Stops installing and starting. A server that has started is stopped by its `stop`. */
  readonly signal: AbortSignal
  /** Forces one way to get the server; an unknown way is an error that lists them. */
  readonly choice?: string | undefined
  /** URL of an existing server. It is used as it is, and `choice` is ignored. */
  readonly url?: string | undefined
}

/** The folder for data, logs and pid files. */
export function dataFolder(o: EmbeddedOptions): string {
  return o.data ?? o.home
}

/** Absolute path of a file or folder in the data folder. */
export function inData(o: EmbeddedOptions, ...names: string[]): string {
  return join(dataFolder(o), ...names)
}

/** Checks a choice. @returns undefined where it is empty @throws Error with the valid choices, where it is none of them */
export function oneOf<T extends string>(
  service: string,
  choice: string | undefined,
  valid: readonly T[],
): T | undefined {
  if (choice === undefined || choice === '') return undefined
  const found = valid.find((way) => way === choice)
  if (found !== undefined) return found
  throw new Error(
    `"${choice}" is not a way to get ${service}; use one of ${valid.join(', ')}, or leave the choice out`,
  )
}

/** The message of any thrown value. */
export function reason(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(reason).join(', ')
  return error instanceof Error ? error.message : String(error)
}
