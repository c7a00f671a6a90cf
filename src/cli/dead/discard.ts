import { userInfo } from 'node:os'
import { Command } from 'commander'
import { browse, type Selection } from '../../stream/dead-letters/browse.js'
import { type Discarding, discardLetters, readTraces } from '../../stream/dead-letters/discard.js'
import type { DeadLetterHead } from '../../stream/dead-letters/record.js'
import { clip, table } from '../../text.js'
import { interruption, parseWhole } from '../command.js'
import { type Connected, withRedis } from '../connection.js'
import { showProgress } from '../progress.js'
import { iso } from './formats.js'
import { SELECTION_HELP, type SelectionOptions, selectionOf, withSelection } from './selection.js'

/** Most letters that one call removes: it blocks Redis for about 2 ms. */
const CALL_LETTERS = 200

interface DiscardOptions extends SelectionOptions {
  readonly because: string
  readonly by: string
  readonly all?: boolean
  readonly dryRun?: boolean
}

/** `tributary dead discard`. */
export function discardCommand(): Command {
  return withSelection(new Command('discard'))
    .description('Remove dead letters for good, and leave a trace of who did it and why')
    .argument('[id...]', 'only these letters')
    .requiredOption('--because <text>', 'the reason, recorded in the trace')
    .option('--by <name>', 'who discards, recorded in the trace', userName())
    .option('--all', 'all letters; needed where no id or option selects any')
    .option('--dry-run', 'only print how many would be removed')
    .addHelpText(
      'after',
      `
Examples:
  $ tributary dead discard 0/1763780760125-0 --because 'a test of ours'
  $ tributary dead discard --reason malformed_json --until 30d --because 'port scan, ticket 4711' --dry-run
  $ tributary dead discarded                               what was discarded, by whom and why

${SELECTION_HELP}
Export letters first if they may be needed later: the trace has no body.`,
    )
    .action(
      async (ids: string[], { because, by, all = false, dryRun = false, ...options }: DiscardOptions) => {
        const selection = selectionOf(options, ids)
        if (Object.keys(selection).length === 0 && !all)
          throw new Error('Which letters? Give ids, options like --reason, or --all')
        if (because.trim() === '') throw new Error('--because needs a reason: only the trace with it remains')
        const signal = interruption()
        const count = await withRedis('work on dead letters', (post) =>
          discardAll(post, selection, { by, because }, dryRun, signal),
        )
        process.stdout.write(`${count} dead letters ${dryRun ? 'would be discarded' : 'discarded'}\n`)
        if (signal.aborted)
          throw new Error('Interrupted: the remaining letters are unchanged. Run the command again')
      },
    )
}

async function discardAll(
  { redis, partitions }: Connected,
  selection: Selection,
  discarding: Discarding,
  dryRun: boolean,
  signal: AbortSignal,
): Promise<number> {
  let count = 0
  const progress = showProgress(() => `${count} discarded`)
  let batch: DeadLetterHead[] = []
  const flush = async () => {
    for (const keys of dryRun ? [] : partitions) {
      const ids = batch
        .filter(({ partition }) => partition === keys.partition)
        .map(({ streamId }) => streamId)
      const ranges = ids.map((id) => ({ from: id, to: id, most: 1 }))
      if (ranges.length > 0) count += await discardLetters(redis, keys, ranges, discarding)
    }
    if (dryRun) count += batch.length
    batch = []
  }
  try {
    for await (const letter of browse(redis, partitions, selection)) {
      if (signal.aborted) break
      batch.push(letter)
      if (batch.length === CALL_LETTERS) await flush()
    }
    if (!signal.aborted) await flush()
    return count
  } finally {
    progress.end()
  }
}

/** `tributary dead discarded`. */
export function discardedCommand(): Command {
  return new Command('discarded')
    .description('Show the letters that were discarded last, by whom and why')
    .option('--limit <letters>', 'most letters to show', parseWhole, 20)
    .addHelpText(
      'after',
      `
Examples:
  $ tributary dead discarded
  $ tributary dead discarded --limit 1000

"tributary" itself drops the oldest letters over the budget: DEAD_LETTER_MAX_BYTES, DEAD_LETTER_MAX_AGE_MS.
Each partition keeps its last 100,000 traces.`,
    )
    .action(async ({ limit }: { limit: number }) => {
      const traces = await withRedis('work on dead letters', ({ redis, partitions }) =>
        readTraces(redis, partitions, limit),
      )
      const rows = traces.map((trace) => ({
        DISCARDED: iso(trace.at),
        LETTER: trace.letter,
        BY: clip(trace.by, 20),
        BECAUSE: clip(trace.because, 60),
        REASON: trace.reason,
        SINK: trace.sink,
        CONTRACT: trace.source,
        KEY: clip(trace.event || '-', 24),
      }))
      const columns = ['DISCARDED', 'LETTER', 'BY', 'BECAUSE', 'REASON', 'SINK', 'CONTRACT', 'KEY'] as const
      process.stdout.write(`${rows.length > 0 ? table(columns, rows) : 'Nothing was discarded.'}\n`)
    })
}

/** Name of the user that runs this; in a container the user may have none. */
function userName(): string {
  try {
    return userInfo().username
  } catch {
    return 'unknown'
  }
}
