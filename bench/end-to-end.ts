import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { MongoClient } from 'mongodb'
import { readStats } from '../src/dev/roles.js'
import { freePort } from '../src/dev/services/port.js'
import type { EdgeStats } from '../src/edge/traffic.js'
import { Durations } from '../src/health/durations.js'
import type { WorkerFigures } from '../src/health/stats.js'
import { groupFigures } from '../src/stream/groups.js'
import { type Generator, startGenerator } from './load/generator.js'
import type { LoadReport } from './load/plan.js'
import { type Figures, inTurn, type Run } from './support/figures.js'
import { DATABASES, type Fixture, KEYS } from './support/fixture.js'
import type { Suite } from './support/suite.js'
import { clearDocuments, documentMarks } from './workers/subjects.js'
import { openTables, type Tables } from './workers/table.js'

type SinkName = 'postgres' | 'mongo'

/** What is offered, and who takes it. */
interface Trial {
  readonly rate: number
  readonly seconds: number
  readonly sinks: readonly SinkName[]
  readonly env?: Readonly<Record<string, string>>
}

/** What all trials use. */
interface Rig {
  readonly fixture: Fixture
  readonly generator: Generator
  readonly tables: Tables
  readonly documents: MongoClient
}

const CONNECTIONS = 256
const FIRST = KEYS.slice(0, 1)
const DRAIN_MS = 600_000
/** What may wait where requests are to be refused: 2 s of what MongoDB takes. */
const BUDGET = { BACKLOG_MAX_BYTES: '5000000' }

/** From POST to COMMIT, at a steady rate and past what the machine can do. */
export const endToEndSuite: Suite = {
  name: 'end-to-end',
  about:
    'Open loop: requests of 700 B are due at a steady rate, and times count from when they were due. Generator, edge, Redis, ' +
    'workers and stores share the machine. Receive-to-commit is what the workers report for the last minute, from the ' +
    'receipt in Redis to the acknowledgement behind the commit; every acknowledged event is looked up in the stores ' +
    'afterwards. The last two rows offer more than the machine can do: the edge, and MongoDB.',
  async run({ fixture, quick, say }) {
    const generator = await startGenerator()
    const documents = new MongoClient(fixture.mongo.url)
    const tables = await openTables(fixture.postgres.url)
    const rig = { fixture, generator, tables, documents }
    const both = ['postgres', 'mongo'] as const
    const alone = ['postgres'] as const
    const trials: readonly (readonly [string, Trial])[] = quick
      ? [['2,000/s, both stores', { rate: 2_000, seconds: 12, sinks: both }]]
      : [
          ['2,000/s, both stores', { rate: 2_000, seconds: 62, sinks: both }],
          ['5,000/s, both stores', { rate: 5_000, seconds: 30, sinks: both }],
          ['5,000/s, Postgres alone', { rate: 5_000, seconds: 40, sinks: alone }],
          ['7,500/s, Postgres alone', { rate: 7_500, seconds: 40, sinks: alone }],
          ['10,000/s, Postgres alone', { rate: 10_000, seconds: 62, sinks: alone }],
          ['30,000/s, Postgres alone', { rate: 30_000, seconds: 20, sinks: alone }],
          ['10,000/s, both stores, 5 MB may wait', { rate: 10_000, seconds: 30, sinks: both, env: BUDGET }],
        ]
    const subjects = trials.map(([name, trial]) => ({ name, run: () => runTrial(rig, trial) }))
    try {
      return [await inTurn('rates', 'acked/s', subjects, 1, say, 'none')]
    } finally {
      await Promise.all([generator.end(), documents.close(), tables.end()])
    }
  },
}

async function runTrial(rig: Rig, { rate, seconds, sinks, env = {} }: Trial): Promise<Run> {
  const { fixture, generator, tables, documents } = rig
  await fixture.flush()
  await Promise.all([tables.clear(), clearDocuments(documents)])
  const port = await freePort()
  const edge = await fixture.start('edge', { PORT: String(port), ...env })
  const workers = await Promise.all(sinks.map((sink) => fixture.start(sink)))
  try {
    const requests = { body: 'contact', size: 700, signed: true, variety: 'fresh' } as const
    const load = (run: string, loop: { rate: number; seconds: number }) =>
      generator.run({
        port,
        connections: CONNECTIONS,
        requests: { ...requests, run },
        loop: { kind: 'open', ...loop },
      })
    const warm = await load('warm', { rate: Math.min(rate, 1_000), seconds: 5 })
    const run = randomBytes(3).toString('hex')
    const report = await load(run, { rate, seconds })
    const ended = performance.now()
    const lags = await Promise.all(workers.map((worker) => readStats<WorkerFigures>(worker)))
    const edgeStats = await readStats<EdgeStats>(edge)
    const lag = Object.fromEntries(sinks.map((sink, at) => [sink, lags[at]?.lagMs]))
    const drainSeconds = await drained(fixture, sinks, ended)
    const invalid = await ledger(rig, sinks, [
      ['warm', warm],
      [run, report],
    ])
    return { figures: figuresOf(report, lag, drainSeconds, edgeStats), invalid }
  } finally {
    await Promise.all([edge, ...workers].map((role) => fixture.stop(role)))
  }
}

function figuresOf(
  { byStatus, seconds, durations, unsent }: LoadReport,
  lag: Readonly<Record<string, WorkerFigures['lagMs'] | undefined>>,
  drainSeconds: number,
  edge: EdgeStats | undefined,
): Figures {
  const ack = new Durations(durations)
  const others = Object.entries(byStatus).filter(([status]) => status !== '202')
  return {
    'acked/s': (byStatus[202] ?? 0) / seconds,
    'refused/s': others.reduce((sum, [, count]) => sum + count, 0) / seconds,
    unsent,
    'of it backlogged': edge?.refused.backlogged,
    'ack p50 ms': ack.quantile(0.5),
    'ack p99 ms': ack.quantile(0.99),
    'ack p99.9 ms': ack.quantile(0.999),
    'Postgres p50 ms': lag.postgres?.p50,
    'Postgres p99 ms': lag.postgres?.p99,
    'Postgres p99.9 ms': lag.postgres?.p999,
    'MongoDB p50 ms': lag.mongo?.p50,
    'MongoDB p99 ms': lag.mongo?.p99,
    'MongoDB p99.9 ms': lag.mongo?.p999,
    'acknowledged after s': drainSeconds,
  }
}

/** Waits until every group has acknowledged everything. @returns how long that took from the end of the load, in s */
async function drained(fixture: Fixture, groups: readonly string[], since: number): Promise<number> {
  while (performance.now() - since < DRAIN_MS) {
    const figures = await Promise.all(
      groups.map((group) => groupFigures(fixture.client, FIRST, group, 60_000)),
    )
    if (figures.every(({ undelivered, pending }) => undelivered + pending === 0)) break
    await sleep(50)
  }
  return (performance.now() - since) / 1_000
}

/** Looks every acknowledged event up in the stores. @returns what is wrong */
async function ledger(
  { fixture, tables, documents }: Rig,
  sinks: readonly SinkName[],
  loads: readonly (readonly [run: string, report: LoadReport])[],
): Promise<string | undefined> {
  const problems: string[] = []
  const marks = {
    postgres: () => tables.marks('tributary.contacts'),
    mongo: () => documentMarks(documents, DATABASES.state, 'state.contacts'),
  }
  for (const sink of sinks) {
    const stored = await marks[sink]()
    let missing = 0
    for (const [run, { flags }] of loads) {
      flags.forEach((acknowledged, n) => {
        if (acknowledged && !stored.has(`${run}-${n}`)) missing++
      })
    }
    if (missing > 0) problems.push(`${missing} acknowledged events are not in ${sink}`)
  }
  const letters = await fixture.client.xlen(FIRST[0]?.dead ?? '')
  if (letters > 0) problems.push(`${letters} dead letters`)
  return problems.length > 0 ? problems.join('; ') : undefined
}
