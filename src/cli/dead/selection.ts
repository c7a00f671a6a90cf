import { type Command, Option } from 'commander'
import { CONTRACTS } from '../../../schemas/index.js'
import { REASONS } from '../../errors.js'
import type { Selection } from '../../stream/dead-letters/browse.js'
import { EDGE } from '../../stream/origin.js'
import { CommandError, parseMoment } from '../command.js'

/** Options that select the letters for a command. */
export interface SelectionOptions {
  readonly sink?: readonly string[]
  readonly contract?: readonly string[]
  readonly reason?: readonly string[]
  readonly since?: number
  readonly until?: number
  readonly key?: string
}

/** The help of {@link withSelection}'s options. */
export const SELECTION_HELP = `A letter is selected if it matches every given option. A time is an age (30s, 5m, 2h, 3d) or a date
(2026-11-22T09:30:00Z), and is compared with the time when the letter was last dead-lettered. An id is what
\`tributary dead list\` prints: <partition>/<number>-<number>.`

/** Adds the options that select letters. */
export function withSelection(command: Command): Command {
  const sinks = [...new Set(CONTRACTS.flatMap(({ sinks }) => sinks)), EDGE]
  const contracts = CONTRACTS.map(({ name }) => name)
  return command
    .addOption(new Option('--sink <name...>', 'letters of these sinks').choices(sinks))
    .addOption(new Option('--contract <name...>', 'letters of these contracts').choices(contracts))
    .addOption(new Option('--reason <code...>', 'letters with these reasons').choices(Object.keys(REASONS)))
    .option('--since <time>', 'letters dead-lettered since then', parseMoment)
    .option('--until <time>', 'letters dead-lettered until then', parseMoment)
    .option('--key <id>', 'letters with this correlation or event id')
}

/** Makes a selection from options and arguments. @throws CommandError where an id is malformed */
export function selectionOf(options: SelectionOptions, ids: readonly string[] = []): Selection {
  const wrong = ids.filter((id) => !/^\d{1,3}\/\d{1,16}-\d{1,20}$/.test(id))
  if (wrong.length > 0) {
    throw new CommandError(`"${wrong[0]}" is not the id of a dead letter: an id looks like 0/1763780760125-0`)
  }
  const { sink, contract, reason, since, until, key } = options
  return {
    ...(sink && { sinks: sink }),
    ...(contract && { contracts: contract }),
    ...(reason && { reasons: reason }),
    ...(since !== undefined && { since }),
    ...(until !== undefined && { until }),
    ...(key !== undefined && { key }),
    ...(ids.length > 0 && { ids }),
  }
}
