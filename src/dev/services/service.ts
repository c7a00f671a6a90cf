import { join } from 'node:path'

/** A Redis, Postgres or MongoDB server that a run may use: one that was there already, or one that was started. */
export interface Service {
  readonly name: 'redis' | 'postgres' | 'mongodb'
  readonly url: string
  /** Of its first process; `undefined` where the server is not ours, or does not run. */
  readonly pid: number | undefined
  /** One line for a person: what was chosen, and why or where its data is. */
  readonly chose: string
  /** Ends the server in an orderly way. A server that was there already is left alone. Never throws. */
  stop(): Promise<void>
  /** SIGKILL to the whole server, as a power cut would do. @throws Error when the server is not ours */
  kill(): Promise<void>
  /**
   * Starts a stopped or killed server again: same port, same data. Resolves when it answers.
   * @throws Error when the server is not ours, or does not come up; the signal's reason once it is aborted
   */
  start(signal?: AbortSignal): Promise<void>
  /** Freezes the whole server (SIGSTOP): connections stay open, nothing answers. @throws Error when not ours */
  pause(): void
  /** Ends a {@link Service.pause}. @throws Error when the server is not ours */
  resume(): void
}

export interface EmbeddedOptions {
  /** Absolute path of `.tributary`: downloads, and the data where `data` is not given. */
  readonly home: string
  /** Absolute path of the folder for data, logs and pid files. Default: `home`. */
  readonly data?: string
  /** Default: a free one. Servers listen on 127.0.0.1 only. */
  readonly port?: number
  /** Is told, a line at a time, what takes time or goes another way than usual. */
  readonly report: (line: string) => void
  /** Ends installing and starting. A server that has started is ended by its `stop`. */
  readonly signal: AbortSignal
  /** Forces one way to get the server; an unknown one is an error that lists the ways. */
  readonly choice?: string | undefined
  /** A server that is there already. It is used as it is, and no choice matters then. */
  readonly url?: string | undefined
}

/** Where data, logs and pid files go. */
export function dataFolder(o: EmbeddedOptions): string {
  return o.data ?? o.home
}

/** Absolute path of one file or folder of the data folder. */
export function inData(o: EmbeddedOptions, ...names: string[]): string {
  return join(dataFolder(o), ...names)
}

/** @throws Error that lists the valid choices, when `choice` is none of them */
export function oneOf<T extends string>(
  service: string,
  choice: string | undefined,
  valid: readonly T[],
): T | undefined {
  if (choice === undefined || choice === '') return undefined
  const found = valid.find((way) => way === choice)
  if (found !== undefined) return found
  throw new Error(
    `"${choice}" is no way to get ${service}; use one of ${valid.join(', ')}, or leave the choice out`,
  )
}

/** The message of anything that was thrown. */
export function reason(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(reason).join(', ')
  return error instanceof Error ? error.message : String(error)
}
