/**
 * Resolves or rejects like the promise, unless the signal is aborted first: then rejects with its reason, after
 * `cleanUp`. Does not cancel the work behind the promise: it may still finish.
 */
export async function unlessAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal,
  cleanUp: () => void = () => undefined,
): Promise<T> {
  let stopWatching = (): void => {}
  const aborted = new Promise<never>((_, reject) => {
    const abort = (): void => {
      cleanUp()
      reject(signal.reason)
    }
    if (signal.aborted) return abort()
    signal.addEventListener('abort', abort, { once: true })
    stopWatching = () => signal.removeEventListener('abort', abort)
  })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    stopWatching()
  }
}
