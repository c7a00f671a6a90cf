/** A metric that a query names, and the labels that it is chosen by. */
export interface Use {
  readonly metric: string
  readonly labels: readonly string[]
  /** What some of them must be, to the letter. */
  readonly values: readonly (readonly [label: string, value: string])[]
}

/** What a query of Prometheus asks for. */
export interface Query {
  readonly uses: readonly Use[]
  /** Labels that it groups by, or joins on. */
  readonly grouping: readonly string[]
  /** Labels that it makes itself (`label_replace`). */
  readonly made: readonly string[]
}

/** Comments, strings, ranges, selectors, numbers with their units, names, and whatever else there is. */
const TOKEN =
  /#[^\n]*|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\[[^\]]*\]|\{(?:"(?:[^"\\]|\\.)*"|[^}"])*\}|\d[\w.]*|[a-zA-Z_:][\w:]*|\S/g
const NAME = /^[a-zA-Z_:]/
const JOINS = new Set(['by', 'without', 'on', 'ignoring', 'group_left', 'group_right'])
const WORDS = new Set([...JOINS, 'and', 'or', 'unless', 'bool', 'offset', 'inf', 'nan'])

/** What comes after a name that is a function's or an aggregation's. */
const CALLS = new Set(['(', 'by', 'without'])

/** Takes metrics and labels out of PromQL. It knows just enough of it; promtool checks the syntax. */
export function readQuery(expression: string): Query {
  const tokens = (expression.match(TOKEN) ?? []).filter((token) => !token.startsWith('#'))
  const uses: Use[] = []
  const grouping: string[] = []
  let opened = ''
  for (const [i, token] of tokens.entries()) {
    const next = tokens[i + 1] ?? ''
    if (token === '(') opened = (tokens[i - 1] ?? '').toLowerCase()
    else if (token === ')') opened = ''
    else if (!isName(token)) continue
    else if (JOINS.has(opened)) grouping.push(token)
    else if (!CALLS.has(next)) {
      const selectors = matched(next)
      const labels = selectors.map(({ label }) => label)
      const exact = selectors.filter(({ operator, value }) => operator === '=' && !value.includes('$'))
      uses.push({ metric: token, labels, values: exact.map(({ label, value }) => [label, value]) })
    }
  }
  const made = tokens.filter((token) => /^["'][a-z_]+["']$/.test(token)).map((token) => token.slice(1, -1))
  return { uses, grouping, made }
}

function isName(token: string): boolean {
  return NAME.test(token) && !WORDS.has(token.toLowerCase())
}

function matched(selector: string) {
  if (!selector.startsWith('{')) return []
  const selectors = selector.matchAll(/([a-zA-Z_]\w*)\s*(=~|!~|!=|=)\s*["']((?:[^"'\\]|\\.)*)["']/g)
  return Array.from(selectors, ([, label = '', operator = '', value = '']) => ({ label, operator, value }))
}

/** The labels of one metric, each with the values that it has. */
export type Labels = ReadonlyMap<string, ReadonlySet<string>>

/** The labels of each metric in Prometheus' text format, by the names of its samples. */
export function labelsOfSamples(text: string): Map<string, Labels> {
  const samples = new Map<string, Map<string, Set<string>>>()
  for (const line of text.split('\n')) {
    const [, metric, selector = ''] = /^([a-zA-Z_:][\w:]*)(\{.*\})?\s/.exec(line) ?? []
    if (metric === undefined) continue
    const labels = samples.get(metric) ?? new Map<string, Set<string>>()
    for (const { label, value } of matched(selector)) {
      labels.set(label, (labels.get(label) ?? new Set()).add(value))
    }
    samples.set(metric, labels)
  }
  return samples
}
