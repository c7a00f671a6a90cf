/** An answer of the stand-in for CXone. */
export interface Reply {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON; left out: an empty body. */
  readonly body?: unknown
}

/** A refusal in CXone's form. */
export function refuse(status: number, message: string): Reply {
  return { status, body: { message } }
}
