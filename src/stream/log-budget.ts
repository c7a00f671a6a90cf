import type { Memory } from './memory.js'

/** Above this share of the memory that requests may fill, acknowledged entries are removed to make room. */
const MARK = 0.85

/**
 * How much memory the log may take: less than its budget when Redis is short of memory, so that entries kept only for
 * replay do not cause a request to be refused.
 * @param memories memory of the server, or of all masters of a Cluster
 * @param logBytes size of the log now, on all of them; `undefined`: not known yet
 * @param reservePercent share of `maxmemory` that requests may not fill, in percent
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
