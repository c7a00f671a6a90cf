import { RejectedError } from '../errors.js'

/**
 * Writes items together and finds those that the store refuses: it halves a refused part until each refused item
 * stands alone, and writes all the others. Costs one attempt where nothing is refused, O(k log n) attempts for k
 * refused items among n.
 * @param write stores all of its items or none; throws {@link RejectedError} where the store refuses at least one
 * @returns the refused items, each with its own error; all others are written
 * @throws any other error of `write`: then some of the items may be written
 */
export async function bisect<T>(
  items: readonly T[],
  write: (part: readonly T[]) => Promise<void>,
): Promise<Map<T, RejectedError>> {
  const refused = new Map<T, RejectedError>()
  const parts = items.length > 0 ? [items] : []
  for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
    try {
      await write(part)
    } catch (error) {
      if (!(error instanceof RejectedError)) throw error
      const [only, ...others] = part
      if (only !== undefined && others.length === 0) {
        refused.set(only, error)
      } else {
        const middle = part.length >> 1
        parts.push(part.slice(middle), part.slice(0, middle))
      }
    }
  }
  return refused
}
