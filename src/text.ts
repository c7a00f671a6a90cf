/**
 * Formats cells as aligned columns, two spaces apart.
 * @param head names of the columns
 * @param right names of the columns that are aligned right: numbers
 */
export function table<Name extends string>(
  head: readonly Name[],
  rows: readonly Readonly<Record<Name, string>>[],
  right: readonly Name[] = [],
): string {
  const widths = head.map((name) => Math.max(name.length, ...rows.map((row) => row[name].length)))
  const line = (cell: (name: Name) => string) =>
    head
      .map((name, i) =>
        right.includes(name) ? cell(name).padStart(widths[i] ?? 0) : cell(name).padEnd(widths[i] ?? 0),
      )
      .join('  ')
      .trimEnd()
  return [line((name) => name), ...rows.map((row) => line((name) => row[name]))].join('\n')
}

/** One line of printable characters: text of a sender must not control a terminal. @param most characters */
export function clip(text: string, most: number): string {
  const line = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
  return line.length > most ? `${line.slice(0, most - 1).toWellFormed()}…` : line
}

/** A time in the unit that suits it: `12 ms`, `1.5 s`, `90 s`, `12 min`, `11 h`, `12 d`. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(Math.max(0, ms))} ms`
  if (ms < 10_000) return `${(ms / 1_000).toFixed(1)} s`
  if (ms < 600_000) return `${Math.round(ms / 1_000)} s`
  if (ms < 36_000_000) return `${Math.round(ms / 60_000)} min`
  return ms < 864_000_000 ? `${Math.round(ms / 3_600_000)} h` : `${Math.round(ms / 86_400_000)} d`
}
