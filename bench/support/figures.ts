/** What was measured, by name. The unit is part of the name; `undefined` where it could not be. */
export type Figures = Readonly<Record<string, number | undefined>>

/** One run of one subject. */
export interface Run {
  readonly figures: Figures
  /** Why it does not count: what its ledger lacks; `undefined` where it balances. */
  readonly invalid?: string | undefined
}

/** Something that is measured. */
export interface Subject {
  readonly name: string
  run(): Promise<Run>
}

/** What several runs of one subject have come to. */
export interface Measured {
  readonly subject: string
  readonly figures: Figures
  /** See {@link Comparison}: the median of what each round came to. */
  readonly ratio: number | undefined
  readonly runs: number
  readonly invalid: readonly string[]
}

/**
 * `baselines`: the first subject is ours, and a ratio says how many times as fast it is as another one · `variants`: all
 * are ours, and a ratio says how fast one is by the first · `none`: there are no ratios.
 */
export type Comparison = 'baselines' | 'variants' | 'none'

/** One question, and the answer of each subject. */
export interface Case {
  readonly title: string
  /** The figure that ratios are made of. */
  readonly rate: string
  readonly comparison: Comparison
  readonly measured: readonly Measured[]
}

/**
 * Runs subjects in turn, round by round: other load on the machine affects all of them.
 * @param say called with a line for each run
 */
export async function inTurn(
  title: string,
  rate: string,
  subjects: readonly Subject[],
  rounds: number,
  say: (line: string) => void,
  comparison: Comparison = 'baselines',
): Promise<Case> {
  const runs = new Map<string, Run[]>(subjects.map(({ name }) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (const { name, run } of subjects) {
      const one = await run()
      runs.get(name)?.push(one)
      say(describeRun(title, rate, name, one))
    }
  }
  return caseOf(title, rate, runs, comparison)
}

/** A run in a line. */
export function describeRun(title: string, rate: string, subject: string, { figures, invalid }: Run): string {
  const value = invalid === undefined ? `${format(figures[rate])} ${rate}` : `INVALID: ${invalid}`
  return `  ${title} · ${subject}: ${value}`
}

/**
 * What runs have come to: of each figure the median. A run whose ledger does not balance counts for nothing.
 * @param runs of each subject, in the order of the rounds
 */
export function caseOf(
  title: string,
  rate: string,
  runs: ReadonlyMap<string, readonly Run[]>,
  comparison: Comparison = 'baselines',
): Case {
  const [first = []] = runs.values()
  const rateOf = ({ figures, invalid }: Run) => (invalid === undefined ? figures[rate] : undefined)
  const ratio = (one: Run, other: Run | undefined) => {
    const [mine, theirs] = [rateOf(one), other && rateOf(other)]
    if (comparison === 'none' || !mine || !theirs) return []
    return [comparison === 'baselines' ? theirs / mine : mine / theirs]
  }
  const measured = Array.from(runs, ([subject, some]) =>
    measuredOf(subject, some, median(some.flatMap((run, round) => ratio(run, first[round])))),
  )
  return { title, rate, comparison, measured }
}

function measuredOf(subject: string, runs: readonly Run[], ratio: number | undefined): Measured {
  const valid = runs.filter(({ invalid }) => invalid === undefined)
  const names = [...new Set(valid.flatMap(({ figures }) => Object.keys(figures)))]
  return {
    subject,
    figures: Object.fromEntries(
      names.map((figure) => [figure, median(valid.flatMap(({ figures }) => figures[figure] ?? []))]),
    ),
    ratio,
    runs: valid.length,
    invalid: runs.flatMap(({ invalid }) => invalid ?? []),
  }
}

/** The middle one; of an even number the lower of the two. */
export function median(values: readonly number[]): number | undefined {
  return values.toSorted((a, b) => a - b)[(values.length - 1) >> 1]
}

/** A number as a person reads it: three digits that matter. */
export function format(value: number | undefined): string {
  if (value === undefined) return '–'
  if (Math.abs(value) >= 1_000) return Math.round(value).toLocaleString('en')
  return String(Number(value.toPrecision(3)))
}
