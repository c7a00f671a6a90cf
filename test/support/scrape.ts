/** One value of a scrape. */
export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** Reads a role's `/metrics`. */
export async function scrape(adminPort: number): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${adminPort}/metrics`)
  if (!answer.ok) throw new Error(`/metrics answers ${answer.status}: ${await answer.text()}`)
  return await answer.text()
}

/** The values of a scrape, in Prometheus' text format. */
export function samplesOf(text: string): Sample[] {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return lines.map((line) => {
    const [, name = '', labels = '', value] = /^([^{ ]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
    const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key = '', text]) => [key, text])
    return {
      name,
      labels: Object.fromEntries(pairs) as Record<string, string>,
      value: value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value),
    }
  })
}

/** Sums up the values of a name that have some labels, among others; `undefined` without any. */
export function total(
  samples: readonly Sample[],
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  const found = samples.filter(
    (sample) =>
      sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
  )
  return found.length > 0 ? found.reduce((sum, { value }) => sum + value, 0) : undefined
}

/** The families of a scrape: their types by their names. */
export function familiesOf(text: string): Map<string, string> {
  return new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => [name, type]))
}
