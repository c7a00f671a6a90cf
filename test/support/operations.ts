import { Session } from 'node:inspector/promises'

/** What a call of a native costs: the characters, or the members, that it looks at. */
type Cost = (self: unknown, args: readonly unknown[], result: unknown) => number

const lengthOf = (value: unknown): number => {
  if (typeof value === 'string' || Array.isArray(value) || Buffer.isBuffer(value)) return value.length
  return typeof value === 'object' && value !== null ? Object.keys(value).length : 1
}
const ofSelf: Cost = (self) => lengthOf(self)
const ofFirst: Cost = (_, [first]) => lengthOf(first)
const ofResult: Cost = (_, __, result) => lengthOf(result)
/** Up to where it has found something. */
const ofSearch: Cost = (self, [, from], result) =>
  (typeof result === 'number' && result >= 0 ? result : lengthOf(self)) -
  (typeof from === 'number' ? from : 0)
const ofMatch: Cost = (self, [text], result) => {
  const expression = self as RegExp & { from?: number }
  const end = result === null ? lengthOf(text) : expression.global ? expression.lastIndex : lengthOf(text)
  return end - (expression.from ?? 0)
}

/** The natives whose cost depends on the size of what they are given. */
const NATIVES: readonly (readonly [object, string, Cost])[] = [
  ...['replace', 'replaceAll', 'split', 'includes', 'toLowerCase', 'isWellFormed', 'trim'].map(
    (name) => [String.prototype, name, ofSelf] as const,
  ),
  [String.prototype, 'indexOf', ofSearch],
  [String.prototype, 'slice', ofResult],
  [RegExp.prototype, 'exec', ofMatch],
  [RegExp.prototype, 'test', ofFirst],
  [JSON, 'parse', ofFirst],
  [JSON, 'stringify', ofResult],
  [Object, 'entries', ofFirst],
  [Object, 'keys', ofFirst],
  [Object, 'values', ofFirst],
  [Array.prototype, 'join', ofSelf],
  [Buffer.prototype, 'toString', ofResult],
]

/**
 * Counts what a piece of work does: how often each block of the product's code runs, and what the natives that it calls
 * look at. The count does not depend on the machine. It does not see steps within a native, such as those of a regular
 * expression that goes back.
 */
export async function countOperations(work: () => unknown): Promise<number> {
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  await session.post('Profiler.takePreciseCoverage')
  const { inNatives, restore } = patchNatives()
  try {
    work()
  } finally {
    restore()
  }
  const { result } = await session.post('Profiler.takePreciseCoverage')
  await session.post('Profiler.stopPreciseCoverage')
  session.disconnect()
  const blocks = result
    .filter(({ url }) => /\/(src|schemas)\//.test(url))
    .flatMap(({ functions }) => functions)
    .flatMap(({ ranges }) => ranges)
  return blocks.reduce((sum, { count }) => sum + count, inNatives())
}

function patchNatives(): { inNatives: () => number; restore: () => void } {
  let total = 0
  let inside = false
  const originals = NATIVES.map(([owner, name]) => [owner, name, Reflect.get(owner, name)] as const)
  for (const [index, [owner, name, original]] of originals.entries()) {
    const cost = NATIVES[index]?.[2] ?? ofSelf
    Reflect.set(owner, name, function (this: unknown, ...args: unknown[]) {
      if (inside) return Reflect.apply(original, this, args)
      inside = true
      try {
        if (this instanceof RegExp) Object.assign(this, { from: this.global ? this.lastIndex : 0 })
        const result: unknown = Reflect.apply(original, this, args)
        total += Math.max(1, cost(this, args, result))
        return result
      } finally {
        inside = false
      }
    })
  }
  const restore = () => {
    for (const [owner, name, original] of originals) Reflect.set(owner, name, original)
  }
  return { inNatives: () => total, restore }
}
