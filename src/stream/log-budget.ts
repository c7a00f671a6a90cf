import type { Memory } from './memory.js'

/** From this share of what requests may fill on, settled entries make room for new ones. */
const MARK = 0.85

/**
 * How much memory the log may take: less than its budget where Redis is short of room, so that no request is refused
 * for what is only kept to be replayed.
 * @param memories of the server, or of all masters of a Cluster
 * @param logBytes what the log takes now, on all of them; `undefined`: nobody knows yet
 * @param reservePercent of `maxmemory`, that requests may not fill
 * @param maxBytes the budget
 * @returns bytes, 0 to `maxBytes`
 */
export function logBudget(
  memories: readonly Memory[],
  logBytes: number | undefined,
  reservePercent: number,
  maxBytes: number,
): number {
  const bounded = memories.filter(({ max }) => max > 0)
  const excesses = bounded.map(({ used, max }) => used - max * (1 - reservePercent / 100) * MARK)
  const excess = Math.max(0, ...excesses)
  if (excess === 0 || logBytes === undefined) return maxBytes
  // The fullest master decides: the partitions' shares are equal.
  return Math.min(maxBytes, Math.max(0, Math.floor(logBytes - excess * memories.length)))
}
