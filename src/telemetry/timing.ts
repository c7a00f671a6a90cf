/** When something was done, and how it ended. */
export interface Timing {
  /** Of `performance.now()`, in milliseconds: for the time of day see `Tracing.now`. */
  readonly startedAt: number
  readonly durationMs: number
  /** What it failed with. */
  readonly error?: unknown
}

/**
 * Does something, and tells how long it took, however it ends. Costs well under a microsecond; nothing where nobody
 * is to be told.
 * @param tell gets the result, too, where there is one; it must not throw, and be quick: the caller waits for it
 */
export async function timed<T>(
  work: () => Promise<T>,
  tell?: (timing: Timing, result?: T) => void,
): Promise<T> {
  if (!tell) return await work()
  const startedAt = performance.now()
  try {
    const result = await work()
    tell({ startedAt, durationMs: performance.now() - startedAt }, result)
    return result
  } catch (error) {
    tell({ startedAt, durationMs: performance.now() - startedAt, error })
    throw error
  }
}
