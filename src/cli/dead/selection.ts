import { type Command, Option } from 'commander'
import { CONTRACTS } from '../../../schemas/index.js'
import { REASONS } from '../../errors.js'
import type { Selection } from '../../stream/dead-letters/browse.js'
import { EDGE } from '../../stream/origin.js'
import { CommandError, parseMoment } from '../command.js'

/** What the options of a command say of which letters it means. */
export interface SelectionOptions {
  readonly sink?: readonly string[]
  readonly contract?: readonly string[]
  readonly reason?: readonly string[]
  readonly since?: number
  readonly until?: number
  readonly key?: string
}

/** The help of {@link withSelection}'s options. */
export const SELECTION_HELP = `A letter is in if it meets every option that is given. A time is an age (30s, 5m, 2h, 3d) or a date
(2026-11-22T09:30:00Z), and means when the letter was dead-lettered for the last time. An id is what
\`tributary dead list\` prints: <partition>/<number>-<number>.`

/** Adds the options that choose letters. */
export function withSelection(command: Command): Command {
  const sinks = [...new Set(CONTRACTS.flatMap(({ sinks }) => sinks)), EDGE]
  const contracts = CONTRACTS.map(({ name }) => name)
  return command
    .addOption(new Option('--sink <name...>', 'letters of these').choices(sinks))
    .addOption(new Option('--contract <name...>', 'what came in by these').choices(contracts))
    .addOption(new Option('--reason <code...>', 'with these reasons').choices(Object.keys(REASONS)))
    .option('--since <time>', 'dead since then', parseMoment)
    .option('--until <time>', 'dead until then', parseMoment)
    .option('--key <id>', 'with this correlation or event id')
}

/** The selection that options and arguments make. @throws CommandError where an id is none */
export function selectionOf(options: SelectionOptions, ids: readonly string[] = []): Selection {
  const wrong = ids.filter((id) => !/^\d{1,3}\/\d{1,16}-\d{1,20}$/.test(id))
  if (wrong.length > 0) {
    throw new CommandError(`"${wrong[0]}" is no id of a dead letter: they look like 0/1763780760125-0`)
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
