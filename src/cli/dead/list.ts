import { Command } from 'commander'
import { browse } from '../../stream/dead-letters/browse.js'
import type { DeadLetterHead } from '../../stream/dead-letters/record.js'
import { clip, duration, table } from '../../text.js'
import { parseWhole } from '../command.js'
import { withRedis } from '../connection.js'
import { headJson } from './formats.js'
import { SELECTION_HELP, type SelectionOptions, selectionOf, withSelection } from './selection.js'

/** Number of letters with the same reason, sink and contract. */
interface Count {
  readonly reason: string
  readonly sink: string
  readonly source: string
  count: number
}

/** `tributary dead list`. */
export function listCommand(): Command {
  return withSelection(new Command('list'))
    .description('Count dead letters by reason, and show the newest')
    .option('--limit <letters>', 'most letters to show', parseWhole, 20)
    .option('--json', 'print JSON, one object')
    .addHelpText(
      'after',
      `
Examples:
  $ tributary dead list
  $ tributary dead list --sink postgres --since 2h
  $ tributary dead list --reason unknown_type --limit 100
  $ tributary dead list --key c-1 --json | jq '.letters[].message'

${SELECTION_HELP}
Reads every letter without its body. Each takes Redis about 13 us, in steps of 3 ms.`,
    )
    .action(async ({ limit, json, ...options }: SelectionOptions & { limit: number; json?: boolean }) => {
      const { counts, newest } = await withRedis('work on dead letters', async ({ redis, partitions }) =>
        survey(browse(redis, partitions, selectionOf(options)), limit),
      )
      const text = json
        ? JSON.stringify({ counts, letters: newest.map(headJson) })
        : show(counts, newest, new Date())
      process.stdout.write(`${text}\n`)
    })
}

/** Counts all letters, and keeps the `limit` newest: the memory it needs does not grow with their number. */
async function survey(
  letters: AsyncIterable<DeadLetterHead>,
  limit: number,
): Promise<{ counts: Count[]; newest: DeadLetterHead[] }> {
  const counts = new Map<string, Count>()
  let newest: DeadLetterHead[] = []
  for await (const letter of letters) {
    const { reason, sink, source } = letter
    const cell = `${reason} ${sink} ${source}`
    const count = counts.get(cell)
    if (count) count.count++
    else counts.set(cell, { reason, sink, source, count: 1 })
    newest.push(letter)
    if (newest.length > 1_000 + 2 * limit) newest = newestOf(newest, limit)
  }
  return {
    counts: [...counts.values()].sort((a, b) => b.count - a.count),
    newest: newestOf(newest, limit),
  }
}

function newestOf(letters: readonly DeadLetterHead[], limit: number): DeadLetterHead[] {
  const sequence = ({ streamId }: DeadLetterHead) => Number(streamId.split('-')[1])
  return letters.toSorted((a, b) => b.at - a.at || sequence(b) - sequence(a)).slice(0, limit)
}

function show(counts: readonly Count[], newest: readonly DeadLetterHead[], now: Date): string {
  if (counts.length === 0) return 'No dead letters.'
  const total = counts.reduce((sum, { count }) => sum + count, 0)
  const countTable = table(
    ['REASON', 'SINK', 'CONTRACT', 'LETTERS'],
    [...counts, { reason: 'all', sink: '', source: '', count: total }].map(
      ({ reason, sink, source, count }) => ({
        REASON: reason,
        SINK: sink,
        CONTRACT: source,
        LETTERS: String(count),
      }),
    ),
    ['LETTERS'],
  )
  if (newest.length === 0) return countTable
  const rows = newest.map((letter) => ({
    ID: letter.id,
    DIED: `${duration(now.getTime() - letter.at)} ago`,
    SINK: letter.sink,
    CONTRACT: letter.source,
    KEY: clip(letter.event || '-', 24),
    TRIES: String(letter.attempts),
    REASON: letter.reason,
    MESSAGE: clip(letter.message, 80),
  }))
  const columns = ['ID', 'DIED', 'SINK', 'CONTRACT', 'KEY', 'TRIES', 'REASON', 'MESSAGE'] as const
  const more = total > newest.length ? `\nThe newest ${newest.length} of ${total}.` : ''
  return `${countTable}\n\n${table(columns, rows, ['TRIES'])}${more}`
}
