/**
 * Settles as the promise does, unless the signal is aborted before: then with its reason, after `cleanUp`. The promise
 * is left alone: what it stands for may still happen.
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
