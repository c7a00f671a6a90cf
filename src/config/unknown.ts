import { CONTRACTS } from '../../schemas/index.js'
import { variablePrefix } from './contract.js'

/** Prefixes that only Tributary uses: an unknown variable with such a prefix must be a mistake. */
const OWN_PREFIXES = [
  'APPEND_',
  'BACKLOG_',
  'BATCH_',
  'CXONE_',
  'DEAD_',
  'DURABILITY_',
  'EDGE_',
  'EMBEDDED_',
  'FEED_',
  'MEASURE_',
  'REPLAY_',
  'SINKS_',
  'STREAM_',
  'TRACE_',
  'TRIBUTARY_',
  'TRIM_',
  ...CONTRACTS.map(({ name }) => variablePrefix(name)),
]

/** A line for each of these variables that looks like one of ours but is unknown. */
export function unknownNames(names: readonly string[], known: object): string[] {
  return names
    .filter((name) => !(name in known) && OWN_PREFIXES.some((own) => name.startsWith(own)))
    .map((name) => `${name} is not a variable of Tributary`)
}
