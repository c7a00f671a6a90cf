import { setTimeout as sleep } from 'node:timers/promises'
import { Command } from 'commander'
import { CONTRACTS } from '../../../schemas/index.js'
import { createJudge } from '../../pipeline/redrive.js'
import { browse, type Selection, withBodies } from '../../stream/dead-letters/browse.js'
import type { DeadLetterRecord } from '../../stream/dead-letters/record.js'
import { moveToLog, type Redriven } from '../../stream/dead-letters/redrive.js'
import { clip, table } from '../../text.js'
import { interruption, parsePositive } from '../command.js'
import { type Connected, withRedis } from '../connection.js'
import { showProgress } from '../progress.js'
import { SELECTION_HELP, type SelectionOptions, selectionOf, withSelection } from './selection.js'

/** Most letters that would fail again and are described. */
const DESCRIBED = 10

/** The result of a redrive. */
interface Report {
  /** Letters moved to the log; in a dry run, letters that would be moved. */
  redriven: number
  /** Letters that another command has redriven or discarded meanwhile. */
  missing: number
  /** Letters that were not moved because they would fail again, counted by reason. */
  readonly failing: Map<string, number>
  /** Descriptions of the first of those letters. */
  readonly examples: string[]
}

/** `tributary dead redrive`. */
export function redriveCommand(): Command {
  return withSelection(new Command('redrive'))
    .description('Send dead letters to their sinks again')
    .argument('[id...]', 'only these letters')
    .option('--dry-run', 'only print what would be delivered, and what would fail again and why')
    .option('--rate <letters>', 'most letters per second', parsePositive, 1_000)
    .addHelpText(
      'after',
      `
Examples:
  $ tributary dead redrive --dry-run                       what would be delivered, of all letters
  $ tributary dead redrive --reason unknown_type           after deploying a version that knows the type
  $ tributary dead redrive --sink postgres --since 2h --rate 100
  $ tributary dead redrive 0/1763780760125-0               one letter

${SELECTION_HELP}
A letter that fails by today's contracts stays where it is, and the report says why. A store's answer is not known in
advance: a letter that a store refuses again comes back with one more attempt. Letters of the edge go to all sinks of
their contract. An event keeps its first version, so newer state is not overwritten.
Ctrl-C, a crash, or running it twice at once is safe: each letter is delivered once or stays a dead letter.`,
    )
    .action(async (ids: string[], options: SelectionOptions & { dryRun?: boolean; rate: number }) => {
      const { dryRun = false, rate } = options
      const signal = interruption()
      const report = await withRedis('work on dead letters', (post) =>
        redriveAll(
          post,
          selectionOf(options, ids),
          { rate: dryRun ? Number.POSITIVE_INFINITY : rate, dryRun },
          signal,
        ),
      )
      process.stdout.write(`${describe(report, dryRun)}\n`)
      if (signal.aborted)
        throw new Error('Interrupted: the remaining letters are unchanged. Run the command again')
    })
}

async function redriveAll(
  { redis, partitions, config }: Connected,
  selection: Selection,
  { rate, dryRun }: { readonly rate: number; readonly dryRun: boolean },
  signal: AbortSignal,
): Promise<Report> {
  const preview = createJudge(CONTRACTS, {
    maxClockSkewMs: config.MAX_CLOCK_SKEW_MS,
    maxUnknownFields: config.MAX_UNKNOWN_FIELDS,
  })
  const report: Report = { redriven: 0, missing: 0, failing: new Map(), examples: [] }
  const progress = showProgress(
    () => `${report.redriven} redriven, ${total(report.failing)} would fail again`,
  )
  const began = performance.now()
  try {
    const heads = browse(redis, partitions, selection)
    // A step takes a tenth of a second at most, so that a low rate is even and an interruption is noticed.
    for await (const letters of withBodies(redis, partitions, heads, Math.max(1, Math.min(100, rate / 10)))) {
      const moving = deliverable(letters, preview, report)
      for (const keys of partitions) {
        const own = moving
          .filter(({ partition }) => partition === keys.partition)
          .map(({ redriven }) => redriven)
        const moved = dryRun || own.length === 0 ? own.length : await moveToLog(redis, keys, own)
        report.redriven += moved
        report.missing += own.length - moved
      }
      const ahead = (report.redriven / rate) * 1_000 - (performance.now() - began)
      if (ahead > 0) await sleep(ahead, undefined, { signal }).catch(() => undefined)
      if (signal.aborted) return report
    }
    return report
  } finally {
    progress.end()
  }
}

/** The letters that do not fail by today's contracts; the others are added to the report. */
function deliverable(
  letters: readonly DeadLetterRecord[],
  preview: ReturnType<typeof createJudge>,
  report: Report,
): { partition: number; redriven: Redriven }[] {
  return letters.flatMap((letter) => {
    const { redriven, failure } = preview(letter)
    if (!failure) return [{ partition: letter.partition, redriven }]
    report.failing.set(failure.reason, (report.failing.get(failure.reason) ?? 0) + 1)
    if (report.examples.length < DESCRIBED)
      report.examples.push(`${letter.id}  ${failure.reason}: ${clip(failure.message, 160)}`)
    return []
  })
}

function describe(report: Report, dryRun: boolean): string {
  const rows = [
    [dryRun ? 'would be redriven' : 'redriven', report.redriven],
    ...(report.missing > 0 ? [['no longer there', report.missing] as const] : []),
    ...[...report.failing].map(([reason, count]) => [`would fail again: ${reason}`, count] as const),
  ].map(([outcome, count]) => ({ OUTCOME: String(outcome), LETTERS: String(count) }))
  const failing = total(report.failing)
  const head =
    failing > report.examples.length
      ? `\n\nThe first ${report.examples.length} of ${failing} that would fail again:`
      : '\n'
  const examples = report.examples.length > 0 ? `${head}\n${report.examples.join('\n')}` : ''
  return `${table(['OUTCOME', 'LETTERS'], rows, ['LETTERS'])}${examples}`
}

function total(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0)
}
