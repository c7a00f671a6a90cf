/** A metric in Prometheus' text format: its HELP and TYPE, and its samples. */
interface Family {
  readonly head: string[]
  readonly samples: string[]
}

/**
 * Several texts in Prometheus' format as one, for processes that are scraped together: each sample gets a label that
 * tells whose it is, so that a sum over them is what one process would have counted.
 * @param texts by the label's value
 */
export function mergeMetrics(label: string, texts: ReadonlyMap<string, string>): string {
  const families = new Map<string, Family>()
  for (const [value, text] of texts) {
    let family: Family = { head: [], samples: [] }
    for (const line of text.split('\n')) {
      if (line.startsWith('# ')) family = headOf(families, line)
      else if (line !== '') family.samples.push(labelled(line, `${label}="${value}"`))
    }
  }
  const lines = [...families.values()].flatMap(({ head, samples }) => [...head, ...samples])
  return `${lines.join('\n')}\n`
}

/** Notes a line `# HELP name ...` or `# TYPE name ...`, the first of each. */
function headOf(families: Map<string, Family>, line: string): Family {
  const [, kind = '', name = ''] = line.split(' ')
  const family = families.get(name) ?? { head: [], samples: [] }
  families.set(name, family)
  if (!family.head.some((one) => one.startsWith(`# ${kind} `))) family.head.push(line)
  return family
}

function labelled(sample: string, label: string): string {
  const brace = sample.indexOf('{')
  const blank = sample.indexOf(' ')
  if (brace < 0 || blank < brace) return `${sample.slice(0, blank)}{${label}}${sample.slice(blank)}`
  return `${sample.slice(0, brace + 1)}${label},${sample.slice(brace + 1)}`
}
