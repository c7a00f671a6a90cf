import type { Metrics } from './metrics.js'
import { LABEL, METRIC } from './names.js'
import type { Reading } from './producer.js'

/** How far a group has come. */
export interface GroupReading {
  readonly undelivered: number
  readonly lagKnown: boolean
  readonly pending: number
  /** Age in ms; `undefined` where there is no such entry. */
  readonly oldestUndeliveredMs: number | undefined
  readonly oldestPendingMs: number | undefined
}

/** The figures of the log. */
export interface LogFigures {
  /** Entries of each stream, by its key. */
  readonly lengths: ReadonlyMap<string, number>
  readonly bytes: number
  readonly groups: ReadonlyMap<string, GroupReading>
  /** By sink, or `edge`. */
  readonly deadLetters: ReadonlyMap<string, number>
  /** Used share of `maxmemory` on the fullest server; `undefined` where there is no `maxmemory`. */
  readonly memory: number | undefined
  /** Groups without a reader; `undefined` while it is not known yet. */
  readonly stalled: number | undefined
}

const GROUPS: readonly (readonly [
  name: string,
  description: string,
  unit: string,
  (of: GroupReading) => number,
])[] = [
  [METRIC.groupLag, 'Entries that no worker of the group has read', '{message}', (of) => of.undelivered],
  [
    METRIC.groupPending,
    'Entries that a worker has read and not acknowledged',
    '{message}',
    (of) => of.pending,
  ],
  [
    METRIC.groupLagKnown,
    '1 where Redis itself knows the lag, 0 where it is counted or estimated',
    '',
    (of) => (of.lagKnown ? 1 : 0),
  ],
  [
    METRIC.oldestUndelivered,
    'Age of the oldest entry that no worker has read; 0 without one',
    's',
    (of) => (of.oldestUndeliveredMs ?? 0) / 1_000,
  ],
  [
    METRIC.oldestPending,
    'Age of the oldest entry that was read and not acknowledged; 0 without one',
    's',
    (of) => (of.oldestPendingMs ?? 0) / 1_000,
  ],
]

/**
 * The metrics of the log. Only one replica may report them: the values of several would add up.
 * @param read returns the figures; `undefined` in the replicas that are not elected
 */
export function observeLog(metrics: Metrics, read: () => LogFigures | undefined): void {
  const gauge = (
    name: string,
    description: string,
    unit: string,
    readings: (figures: LogFigures) => Reading[],
  ) => {
    metrics.observeGauge({ name, description, unit }, () => {
      const figures = read()
      return figures ? readings(figures) : []
    })
  }
  for (const [name, description, unit, valueIn] of GROUPS) {
    gauge(name, description, unit, ({ groups }) =>
      Array.from(groups, ([group, reading]) => [valueIn(reading), { [LABEL.group]: group }]),
    )
  }
  gauge(METRIC.streamLength, 'Entries of a stream, acknowledged ones too', '{message}', ({ lengths }) =>
    labelled(lengths, LABEL.stream),
  )
  gauge(METRIC.deadLetters, 'Dead letters that are kept', '{message}', ({ deadLetters }) =>
    labelled(deadLetters, LABEL.sink),
  )
  gauge(METRIC.streamBytes, 'Memory of the log in Redis', 'By', ({ bytes }) => [[bytes]])
  gauge(
    METRIC.redisMemory,
    "Share of Redis' maxmemory that is used, of the fullest server",
    '1',
    ({ memory }) => known(memory),
  )
  gauge(METRIC.stalledGroups, 'Groups without a reader', '{group}', ({ stalled }) => known(stalled))
}

function labelled(values: ReadonlyMap<string, number>, label: string): Reading[] {
  return Array.from(values, ([name, value]) => [value, { [label]: name }])
}

function known(value: number | undefined): Reading[] {
  return value === undefined ? [] : [[value]]
}
