import { randomBytes } from 'node:crypto'
import { MongoClient } from 'mongodb'
import { type Case, caseOf, describeRun, type Run } from './support/figures.js'
import { DATABASES, type Fixture } from './support/fixture.js'
import type { Suite } from './support/suite.js'
import { hasPsql } from './workers/psql.js'
import {
  baseline,
  clearDocuments,
  documentMarks,
  driverCeiling,
  psqlCeiling,
  runWorker,
  tributary,
  type Worker,
} from './workers/subjects.js'
import { openTables } from './workers/table.js'
import { type Backlog, duplicates, hotKeys, newKeys, patches } from './workers/workload.js'

const RATE = 'events/s'

/** What a store's suite needs. */
interface Field {
  readonly fixture: Fixture
  readonly workers: readonly Worker[]
  /** Of a backlog for workers that can do it all. */
  readonly count: number
  readonly rounds: number
  /** Empties the store. */
  readonly clear: () => Promise<void>
  /** Writes everything to disk, where the store has a command for that. */
  readonly checkpoint: () => Promise<void>
  readonly say: (line: string) => void
}

/** Backlogs that follow each other: new contacts, the same events again, changes. And contacts with many events each. */
const LIVES: readonly (readonly ((run: string, count: number) => Backlog)[])[] = [
  [newKeys, duplicates, patches],
  [hotKeys],
]

/**
 * Each worker goes through whole lives, in turn with the others: what a case begins with is what the one before has
 * left. @returns a case for each part of a life
 */
async function compare(
  { fixture, workers, count, rounds, clear, checkpoint, say }: Field,
  about: string,
): Promise<Case[]> {
  const cases = new Map<string, Map<string, Run[]>>()
  for (let round = 0; round < rounds; round++) {
    for (const [life, worker] of LIVES.flatMap((one) => workers.map((by) => [one, by] as const))) {
      await clear()
      const keys = randomBytes(3).toString('hex')
      for (const make of life) {
        const backlog = make(keys, Math.ceil(count * worker.share))
        const title = `${about}, ${backlog.title}`
        await fixture.flush()
        await checkpoint()
        const run = await runWorker(fixture, worker, backlog)
        say(describeRun(title, RATE, worker.name, run))
        const runs = cases.get(title) ?? new Map<string, Run[]>()
        runs.set(worker.name, [...(runs.get(worker.name) ?? []), run])
        cases.set(title, runs)
      }
    }
  }
  return Array.from(cases, ([title, runs]) => caseOf(title, RATE, runs))
}

/** How fast a backlog is worked off into Postgres, beside its ceiling and what others would write. */
export const postgresSuite: Suite = {
  name: 'postgres',
  about:
    'A backlog in the log until it is committed and acknowledged, by one worker process unless said otherwise; the first ' +
    'tenth is warm-up. The ceiling is psql, which sends the same rows in the same batches of 500 and joins them by the ' +
    'same statement: it reads, decodes and acknowledges nothing.',
  async run({ fixture, quick, say }) {
    const tables = await openTables(fixture.postgres.url)
    const ours = () => tables.marks('tributary.contacts')
    const theirs = () => tables.marks('bench.contacts')
    const ceiling = (await hasPsql(say)) ? [psqlCeiling(tables)] : []
    if (ceiling.length === 0) say('  left out: psql, which is not on PATH and cannot be installed')
    const slow = quick ? 0.1 : 0.05
    const field = { fixture, rounds: 1, clear: tables.clear, checkpoint: tables.checkpoint, say }
    try {
      return await compare(
        {
          ...field,
          count: quick ? 30_000 : 200_000,
          workers: [
            tributary('postgres', ours),
            ...ceiling,
            baseline('a statement an event', 'row', 'postgres', slow, theirs),
            baseline('a statement an event, a transaction a batch', 'transaction', 'postgres', slow, theirs),
            baseline('multi-row VALUES', 'values', 'postgres', 0.5, theirs),
            ...(quick ? [] : [tributary('postgres', ours, { processes: 2 })]),
          ],
        },
        'Postgres',
      )
    } finally {
      await tables.end()
    }
  },
}

/** The same for MongoDB. */
export const mongoSuite: Suite = {
  name: 'mongo',
  about:
    'As for Postgres. The ceiling is the driver, which is given the same operations in the same batches, made before: it ' +
    'does not read what is stored, though the worker has to, to know them. Of duplicates there are no operations.',
  async run({ fixture, quick, say }) {
    const client = new MongoClient(fixture.mongo.url)
    const ours = () => documentMarks(client, DATABASES.state, 'state.contacts')
    const theirs = () => documentMarks(client, 'bench', 'contacts')
    const checkpoint = async () => undefined
    try {
      return await compare(
        {
          ...{ fixture, rounds: 1, clear: () => clearDocuments(client), checkpoint, say },
          count: quick ? 2_000 : 5_000,
          workers: [
            tributary('mongo', ours),
            driverCeiling(ours),
            baseline('updateOne an event', 'update-one', 'mongo', 0.2, theirs),
            ...(quick ? [] : [tributary('mongo', ours, { processes: 2 })]),
          ],
        },
        'MongoDB',
      )
    } finally {
      await client.close()
    }
  },
}
