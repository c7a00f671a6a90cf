import { inject } from 'vitest'
import { MIGRATIONS, type MongoMigration } from '../../migrations/mongo/index.js'
import type { Contract, SinkName } from '../../schemas/contract.js'
import { type SinkLedger, takeLedger } from '../../src/dev/ledger/ledger.js'
import { openStores } from '../../src/dev/ledger/stores.js'
import { newWorkerStats } from '../../src/health/stats.js'
import { createCleaner } from '../../src/pipeline/clean.js'
import { createDecoder } from '../../src/pipeline/decode.js'
import { unfolded } from '../../src/pipeline/deliver.js'
import { countInto, warnAbout } from '../../src/pipeline/health.js'
import { together } from '../../src/pipeline/observer.js'
import { WorkerTraces } from '../../src/pipeline/traces.js'
import { runWorker, type WorkerOptions } from '../../src/pipeline/worker.js'
import { createFeedSink } from '../../src/sinks/feed/sink.js'
import { migrateMongo } from '../../src/sinks/mongo/migrate.js'
import { createMongoSink } from '../../src/sinks/mongo/sink.js'
import { migratePostgres } from '../../src/sinks/postgres/migrate/migrate.js'
import { createPostgresSink } from '../../src/sinks/postgres/sink.js'
import type { SinkItem } from '../../src/sinks/sink.js'
import { watched } from '../../src/sinks/watched.js'
import { fold } from '../../src/state/fold.js'
import { Consumer } from '../../src/stream/consumer.js'
import { groupFigures } from '../../src/stream/groups.js'
import { connectRedis, createRedis } from '../../src/stream/redis.js'
import { NO_TRACING, type Tracing } from '../../src/telemetry/tracing.js'
import { guarded, openEdge, type TestEdge } from './edge.js'
import { type FreshDatabase, freshDatabase } from './fresh.js'
import { emptyMongo, type FreshMongo } from './fresh-mongo.js'
import { recordedLog } from './log.js'
import { until } from './stream.js'

/** Every sink that has a worker. */
export const WORKED_SINKS = ['postgres', 'mongo', 'feed'] as const

const MAX_CLOCK_SKEW_MS = 600_000
const NEVER = new AbortController().signal
const report = () => undefined

/** A whole Tributary in the process of the test, on fresh databases and keys. */
export interface InProcess {
  readonly edge: TestEdge
  readonly database: FreshDatabase
  readonly mongo: FreshMongo
  /** Waits until every worker has acknowledged everything. @throws what a worker has crashed by */
  drain(): Promise<void>
  /** Where the acknowledged events are that both stores are fed with. */
  ledger(acknowledged: readonly string[]): Promise<SinkLedger[]>
  end(): Promise<void>
}

/** What it speaks, and the migrations besides those that are shipped. */
export interface InProcessOptions {
  readonly contracts: readonly Contract[]
  /** Folder of all migrations of Postgres. */
  readonly postgresMigrations?: string
  readonly mongoMigrations?: readonly MongoMigration[]
  /** Default: none. */
  readonly tracing?: Tracing
}

/** Starts the edge and a worker for each sink. */
export async function openInProcess(options: InProcessOptions): Promise<InProcess> {
  const { contracts, postgresMigrations, mongoMigrations = [], tracing = NO_TRACING } = options
  const { redisUrl, mongoUrl } = inject('services')
  const entities = contracts.flatMap((contract) => contract.entities)
  const mongo = emptyMongo()
  const [database, edge] = await Promise.all([
    freshDatabase(),
    openEdge(redisUrl, { contracts: contracts.map((contract) => guarded(contract)), tracing }),
  ])
  const { postgresUrl } = database
  const common = { entities, report, signal: NEVER }
  await migratePostgres({
    url: postgresUrl,
    ...common,
    ...(postgresMigrations !== undefined && { directory: postgresMigrations }),
  })
  const migrations = [...MIGRATIONS, ...mongoMigrations]
  await migrateMongo({ url: mongoUrl, databases: mongo.databases, ...common, migrations })

  const connections: { disconnect(): void }[] = []
  const connect = async () => {
    const redis = createRedis(redisUrl, 'patient', report)
    connections.push(redis)
    await connectRedis(redis)
    return redis
  }
  const stop = new AbortController()
  let crash: unknown
  const start = async <Item extends SinkItem>(
    work: Pick<WorkerOptions<Item>, 'decode' | 'fold' | 'sink'>,
  ) => {
    const clients = { reader: await connect(), commands: await connect() }
    const limits = { partitions: edge.keys, batch: 200, lingerMs: 0, leaseMs: 30_000 }
    const group = work.sink.name
    const traces = new WorkerTraces<Item>(tracing, group, edge.keys)
    const stats = newWorkerStats()
    const consumer = new Consumer({ ...clients, ...limits, group })
    await consumer.createGroups()
    const rest = {
      consumer,
      observer: together([countInto<Item>(stats), warnAbout<Item>(recordedLog().log), traces]),
      progress: stats.progress,
      batch: 200,
      writes: 2,
      maxDeliveries: 5,
    }
    const sink = watched(work.sink, stats)
    const ended = runWorker({ ...work, ...rest, sink }, stop.signal, stop.signal).catch((error) => {
      crash ??= error
    })
    return async () => {
      await ended
      await work.sink.close()
    }
  }
  const decode = (sink: SinkName) => createDecoder({ contracts, sink, maxClockSkewMs: MAX_CLOCK_SKEW_MS })
  const feed = createFeedSink(await connect(), edge.keys, 3_600_000)
  const rows = await createPostgresSink({ url: postgresUrl, ...common })
  const documents = await createMongoSink({ url: mongoUrl, databases: mongo.databases, entities, report })
  const workers = await Promise.all([
    start({ sink: rows, decode: decode('postgres'), fold }),
    start({ sink: documents, decode: decode('mongo'), fold }),
    start({ sink: feed, decode: createCleaner(contracts), fold: unfolded }),
  ])
  const stores = openStores(
    { MONGODB_STATE_DATABASE: mongo.databases.state, MONGODB_EVENTS_DATABASE: mongo.databases.events },
    { postgres: postgresUrl, mongo: mongoUrl },
  )
  return {
    edge,
    database,
    mongo,
    drain: () =>
      until(async () => {
        if (crash) throw crash
        const figures = await Promise.all(
          WORKED_SINKS.map((sink) => groupFigures(edge.redis, edge.keys, sink, 30_000)),
        )
        return figures.every(({ undelivered, pending }) => undelivered + pending === 0)
      }, 50_000),
    ledger: (acknowledged) => {
      const sources = { redis: edge.redis, partitions: edge.keys, maxClockSkewMs: MAX_CLOCK_SKEW_MS }
      return takeLedger(acknowledged, { ...sources, stores: stores.all, feed: [] })
    },
    end: async () => {
      stop.abort()
      await Promise.all(workers.map((close) => close()))
      for (const connection of connections) connection.disconnect()
      await Promise.all([stores.close(), edge.end()])
      await Promise.all([database.drop(), mongo.drop()])
    },
  }
}
