import type { SinkName } from '../../schemas/contract.js'
import { CONTRACTS } from '../../schemas/index.js'

/** Every sink that a contract feeds. */
export const SINKS: readonly SinkName[] = [...new Set(CONTRACTS.flatMap(({ sinks }) => sinks))]

/** Parses the value of SINKS_NOT_RUN. */
export function sinksNotRun(value: string): SinkName[] {
  const names = namesIn(value)
  return SINKS.filter((sink) => names.includes(sink))
}

/** The sinks that run, by name, with the contracts that feed each. */
export function fedSinks(notRun: string): Map<SinkName, string[]> {
  const run = SINKS.filter((sink) => !sinksNotRun(notRun).includes(sink))
  return new Map(
    run.map((sink) => [sink, CONTRACTS.filter(({ sinks }) => sinks.includes(sink)).map(({ name }) => name)]),
  )
}

/** The errors of the value of SINKS_NOT_RUN: a line for each name that is not a sink. */
export function unknownSinks(value: unknown): string[] {
  const known: readonly string[] = SINKS
  return namesIn(String(value ?? ''))
    .filter((name) => !known.includes(name))
    .map((name) => `SINKS_NOT_RUN names ${name}, which is not a sink: choose from ${SINKS.join(', ')}`)
}

function namesIn(value: string): string[] {
  return value
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
}
