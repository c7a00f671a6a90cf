/** Whether every string and every name in a JSON value is Unicode text, without half a surrogate pair. */
export function isUnicode(value: unknown): boolean {
  const left: unknown[] = [value]
  // A loop, not a recursion: a body may be nested deeper than the stack.
  while (left.length > 0) {
    const next = left.pop()
    if (typeof next === 'string') {
      if (!next.isWellFormed()) return false
    } else if (typeof next === 'object' && next !== null) {
      for (const [name, child] of Object.entries(next)) left.push(name, child)
    }
  }
  return true
}
