/** The first string in a JSON value, names included, that is what is looked for. */
export function findString(value: unknown, isSought: (text: string) => boolean): string | undefined {
  const left: unknown[] = [value]
  // A loop, not a recursion: a body may be nested deeper than the stack.
  while (left.length > 0) {
    const next = left.pop()
    if (typeof next === 'string') {
      if (isSought(next)) return next
    } else if (typeof next === 'object' && next !== null) {
      for (const [name, child] of Object.entries(next)) left.push(name, child)
    }
  }
  return undefined
}
