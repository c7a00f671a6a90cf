import { type Case, format, type Measured } from './figures.js'
import type { Suite } from './suite.js'

/** All that a run has come to; as JSON it is what `--json` writes. */
export interface Report {
  readonly machine: Readonly<Record<string, string>>
  readonly suites: readonly {
    readonly name: string
    readonly about: string
    readonly cases: readonly Case[]
  }[]
}

/** What a suite has come to. */
export function sectionOf({ name, about }: Suite, cases: readonly Case[]): Report['suites'][number] {
  return { name, about, cases }
}

/** Whether every run counted. */
export function isValid({ suites }: Report): boolean {
  return suites.every(({ cases }) =>
    cases.every(({ measured }) => measured.every(({ invalid }) => invalid.length === 0)),
  )
}

/** The report as Markdown. */
export function toMarkdown({ machine, suites }: Report): string {
  const about = Object.entries(machine).map(([name, value]) => `- ${name}: ${value}`)
  const sections = suites.map(
    ({ name, about, cases }) => `## ${name}\n\n${about}\n\n${cases.map(tableOf).join('\n\n')}`,
  )
  return [`# Benchmarks`, about.join('\n'), ...sections].join('\n\n')
}

function tableOf({ title, measured, comparison }: Case): string {
  const figures = [...new Set(measured.flatMap((one) => Object.keys(one.figures)))]
  const compared = measured.length > 1 && comparison !== 'none'
  const head = [
    '',
    ...figures,
    ...(compared ? [comparison === 'baselines' ? 'ours is' : 'of the first'] : []),
  ]
  const rows = measured.map((one, at) => [
    one.subject,
    ...figures.map((name) => format(one.figures[name])),
    ...(compared ? [at === 0 ? '' : ratioOf(one)] : []),
  ])
  const lines = [head, head.map((_, at) => (at === 0 ? '---' : '--:')), ...rows].map(
    (cells) => `| ${cells.join(' | ')} |`,
  )
  const invalid = measured.flatMap(({ subject, invalid: why }) =>
    why.map((one) => `- INVALID, ${subject}: ${one}`),
  )
  return [`### ${title}`, '', ...lines, ...(invalid.length > 0 ? ['', ...invalid] : [])].join('\n')
}

function ratioOf({ ratio }: Measured): string {
  return ratio === undefined ? '–' : `${ratio.toFixed(2)} x`
}
