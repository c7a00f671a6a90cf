/**
 * Cells as aligned columns, two spaces apart.
 * @param head names of the columns
 * @param right names of the columns whose cells go to the right: figures
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
