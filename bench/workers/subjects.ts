import type { MongoClient } from 'mongodb'
import { startChild } from '../support/child.js'
import { drainFigures, watchDrain } from '../support/drain.js'
import type { Figures, Run } from '../support/figures.js'
import { DATABASES, type Fixture, KEYS } from '../support/fixture.js'
import { runDriver } from './driver.js'
import { runPsql } from './psql.js'
import type { Tables } from './table.js'
import { append, type Backlog, expected } from './workload.js'

/** What works a backlog off, and where it puts the events. */
export interface Worker {
  readonly name: string
  /** The part of a backlog that is enough to know its speed. */
  readonly share: number
  /** Of our own: how many processes. */
  readonly processes: number
  /** Works it off, from what is in the log to what is in the store. */
  drain(fixture: Fixture, backlog: Backlog): Promise<Figures>
  /** The marker of each contact in the store, by its key. */
  marks(): Promise<Map<string, string>>
}

const [FIRST] = KEYS
const STREAM = FIRST?.events ?? ''

/** A run of a worker on a backlog, with its ledger: what was told is in the store, or the run counts for nothing. */
export async function runWorker(fixture: Fixture, worker: Worker, backlog: Backlog): Promise<Run> {
  const figures = await worker.drain(fixture, backlog)
  const marks = await worker.marks()
  const wrong = [...expected(backlog)].filter(([key, mark]) => marks.get(key) !== mark)
  const letters = await fixture.client.xlen(FIRST?.dead ?? '')
  const problems = [
    wrong.length > 0 && `${wrong.length} contacts are not as told, the first ${wrong[0]?.join(' ')}`,
    letters > 0 && `${letters} dead letters`,
  ].filter((problem) => problem !== false)
  return { figures, invalid: problems.length > 0 ? problems.join('; ') : undefined }
}

/** What differs from one process as it is by default. */
export interface TributaryOptions {
  readonly processes?: number
  readonly env?: Readonly<Record<string, string>>
  /** Share of the entries that are traced. */
  readonly traced?: number
  /** Share of the backlog that is not timed; default: a tenth. */
  readonly warmUp?: number
  /** Folder of another built checkout, which the worker is taken from. */
  readonly checkout?: string | undefined
}

/** Ours. */
export function tributary(
  sink: 'postgres' | 'mongo',
  marks: Worker['marks'],
  { processes = 1, env = {}, traced = 0, warmUp, checkout }: TributaryOptions = {},
): Worker {
  return {
    name: processes === 1 ? 'tributary' : `tributary, ${processes} processes`,
    share: 1,
    processes,
    marks,
    drain: async (fixture, backlog) => {
      const partitions = Number(env.PARTITIONS ?? 1)
      await append(fixture, backlog, { partitions, traced })
      const roles = await Promise.all(
        Array.from({ length: processes }, () => fixture.start(sink, env, checkout)),
      )
      const drain = await watchDrain({
        client: fixture.client,
        streams: KEYS.slice(0, partitions).map(({ events }) => events),
        group: sink,
        count: backlog.count,
        workers: roles.map(({ pid }) => pid),
        store: fixture.pids[sink],
        ...(warmUp !== undefined && { warmUp }),
      })
      await Promise.all(roles.map((role) => fixture.stop(role)))
      return drainFigures(drain)
    },
  }
}

/** One of `baseline.ts`. */
export function baseline(
  name: string,
  manner: string,
  store: 'postgres' | 'mongo',
  share: number,
  marks: Worker['marks'],
): Worker {
  return {
    name,
    share,
    processes: 1,
    marks,
    drain: async (fixture, backlog) => {
      await append(fixture, backlog)
      const args = [fixture.redis.url, STREAM, manner, fixture[store].url, manner]
      const child = await startChild(new URL('./baseline.js', import.meta.url), args)
      const watched = { client: fixture.client, streams: [STREAM], group: manner, count: backlog.count }
      const drain = await watchDrain({ ...watched, workers: [child.pid], store: fixture.pids[store] })
      await child.end()
      return drainFigures(drain)
    },
  }
}

/** The ceiling of the Postgres worker. */
export function psqlCeiling(tables: Tables): Worker {
  return {
    name: 'psql: COPY and the same upsert',
    share: 1,
    processes: 0,
    marks: () => tables.marks('tributary.contacts'),
    drain: async (fixture, backlog) => ({ 'events/s': await runPsql(fixture.postgres.url, backlog) }),
  }
}

/** The ceiling of the MongoDB worker. */
export function driverCeiling(marks: Worker['marks']): Worker {
  return {
    name: 'driver: bulkWrite of the same operations',
    share: 1,
    processes: 0,
    marks,
    drain: async (fixture, backlog) => ({ 'events/s': await runDriver(fixture.mongo.url, backlog) }),
  }
}

/** The marker of each document. */
export async function documentMarks(
  client: MongoClient,
  database: string,
  collection: string,
): Promise<Map<string, string>> {
  const documents = client.db(database).collection<{ _id: string; externalId: string }>(collection)
  const marks = new Map<string, string>()
  for await (const { _id, externalId } of documents.find({}, { projection: { externalId: 1 } })) {
    marks.set(_id, externalId)
  }
  return marks
}

/** Empties what the workers write to in MongoDB. */
export async function clearDocuments(client: MongoClient): Promise<void> {
  await client.db(DATABASES.state).collection('state.contacts').deleteMany({})
  await client.db('bench').collection('contacts').deleteMany({})
}
