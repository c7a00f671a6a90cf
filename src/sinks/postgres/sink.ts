import type { Entity } from '../../../schemas/contract.js'
import { BatchError, RejectedError, TransientError } from '../../errors.js'
import { type Report, reported } from '../../telemetry/command.js'
import { bisect } from '../bisect.js'
import { compareStates } from '../comparison.js'
import type { Change, Sink } from '../sink.js'
import { realColumns, recordedLayouts, storedEntities } from './catalog.js'
import { type Connection, copyIn, type Database, openDatabase, withConnection } from './connection.js'
import { encodeRow } from './encode.js'
import { refusalOf, SchemaError, StaleLayoutError, suspected } from './errors.js'
import type { Layout } from './layout.js'
import { missingMigrations } from './migrations.js'
import { meaningOf } from './outcomes.js'
import { readStates } from './read.js'
import { joinStatement, prepareStatements, stageStatements } from './statements.js'

/** What {@link createPostgresSink} needs. */
export interface PostgresSinkOptions {
  readonly url: string
  /** Connections, each for one batch at a time; default: 4. */
  readonly poolSize?: number
  readonly entities: readonly Entity[]
  /** Called with a line for people; defaults to no report. */
  readonly report?: (line: string) => void
  /** Stops the start. Does not stop the sink once it has started. */
  readonly signal?: AbortSignal
}

/** The sink, with the figures of its connection pool. */
export interface PostgresSink extends Sink {
  /** Idle connections, connections in use, and batches that wait for one. */
  pool(): { readonly idle: number; readonly inUse: number; readonly waiting: number }
}

type Layouts = ReadonlyMap<string, Layout>

/** No statement takes longer than this, in milliseconds; one that writes takes no longer than {@link WRITE_MS}. */
const STATEMENT_MS = 30_000
/** Short, so that a row for which a trigger works for ever does not keep the rows behind it waiting. */
const WRITE_MS = 2_500
/** Part of that time for a lock: a row that waits for one is no slow row. */
const LOCK_SHARE = 0.8
/** A replica, or a primary that is read-only, answers queries but refuses writes. */
const WRITABLE = "SELECT current_setting('transaction_read_only') = 'off' AS writable"
const NEVER = new AbortController().signal

/**
 * Checks the schema and opens the sink.
 * @throws SchemaError where `tributary migrate` has to run first · TransientError where Postgres does not answer now ·
 * the signal's reason, once it is aborted
 */
export async function createPostgresSink(options: PostgresSinkOptions): Promise<PostgresSink> {
  const { url, poolSize = 4, entities, report = () => {}, signal = NEVER } = options
  const database = openDatabase({ url, poolSize, statementTimeoutMs: STATEMENT_MS })
  try {
    const layouts = await withConnection(database, 'read its layout', signal, (connection) =>
      checkedLayouts(connection, entities, report),
    )
    return new CopySink(database, layouts)
  } catch (error) {
    await database.$pool.end()
    throw error
  }
}

async function checkedLayouts(
  connection: Connection,
  entities: readonly Entity[],
  report: (line: string) => void,
): Promise<Layouts> {
  const [missing] = await missingMigrations(connection)
  if (missing !== undefined) {
    throw new SchemaError(`Postgres lacks the migration ${missing}: run \`tributary migrate\``)
  }
  const layouts = await recordedLayouts(connection)
  for (const entity of storedEntities(entities)) {
    const { table } = entity.postgres
    const columns = await connection.tx((transaction) => realColumns(transaction, entity))
    const layout = layouts.get(table)
    const lost = layout?.columns.find(({ name }) => !columns.some((column) => column.name === name))
    if (layout === undefined || lost !== undefined) {
      const what = lost === undefined ? 'is new' : `has lost its column ${lost.name}`
      throw new SchemaError(`tributary.${table} ${what} since the last migration: run \`tributary migrate\``)
    }
    for (const { name } of columns) {
      if (layout.columns.some((column) => column.name === name)) continue
      report(`the column ${name} of tributary.${table} is not written to yet: run \`tributary migrate\``)
    }
  }
  return layouts
}

/** Opens a transaction. @param limitMs the longest time for each of its statements, in milliseconds */
function beginStatements(limitMs: number): string {
  const [statementMs, lockMs] = [limitMs, limitMs * LOCK_SHARE].map(Math.ceil)
  return `BEGIN; SET LOCAL statement_timeout = ${statementMs}; SET LOCAL lock_timeout = ${lockMs}`
}

interface Row {
  readonly change: Change
  readonly layout: Layout
  /** The row in COPY's text format. */
  readonly text: string
}

/** Writes a batch in one transaction: for each table one COPY into a stage table, and one join from there. */
class CopySink implements PostgresSink {
  readonly name = 'postgres'
  readonly #database: Database
  #layouts: Layouts
  #closed: Promise<void> | undefined
  /** The layouts for which a connection has stage tables. */
  readonly #prepared = new WeakMap<Connection['client'], Set<Layout>>()
  readonly comparison = compareStates(
    true,
    (entity) => this.#layoutOf(entity).table,
    (entity, keys, signal) => {
      const layout = this.#layoutOf(entity)
      return withConnection(this.#database, `read tributary.${layout.table}`, signal, (connection) =>
        readStates(connection, entity, layout, keys),
      )
    },
  )

  constructor(database: Database, layouts: Layouts) {
    this.#database = database
    this.#layouts = layouts
  }

  async write(
    changes: readonly Change[],
    signal: AbortSignal,
    report?: Report,
    limitMs = WRITE_MS,
  ): Promise<void> {
    for (;;) {
      try {
        return await this.#write(changes, signal, limitMs, report)
      } catch (error) {
        if (!(error instanceof StaleLayoutError)) throw error
      }
      this.#layouts = await withConnection(this.#database, 'read its layout', signal, recordedLayouts)
    }
  }

  async #write(
    changes: readonly Change[],
    signal: AbortSignal,
    limitMs: number,
    report?: Report,
  ): Promise<void> {
    const rejected = new Map<Change, RejectedError>()
    const rows: Row[] = []
    for (const change of changes) {
      const layout = this.#layoutOf(change.entity)
      try {
        rows.push({ change, layout, text: encodeRow(layout, change.key, change.state) })
      } catch (error) {
        if (!(error instanceof RejectedError)) throw error
        rejected.set(change, error)
      }
    }
    const refused = await bisect(rows, (part) =>
      withConnection(this.#database, `write ${part.length} rows`, signal, (connection) =>
        this.#transaction(connection, part, limitMs, report),
      ),
    )
    for (const [{ change }, error] of refused) rejected.set(change, error)
    if (rejected.size > 0) throw new BatchError(rejected)
  }

  #layoutOf({ name, postgres }: Entity): Layout {
    const layout = postgres && this.#layouts.get(postgres.table)
    if (layout === undefined) throw new Error(`the Postgres sink was opened without the entity ${name}`)
    return layout
  }

  /**
   * One round trip for each table. Tables are written in the order of their names, so that workers do not deadlock.
   * All rows are in stage tables before the first row is locked: a worker that hangs or dies before that holds no lock
   * on rows.
   */
  async #transaction(
    connection: Connection,
    rows: readonly Row[],
    limitMs: number,
    report?: Report,
  ): Promise<void> {
    const byTable = new Map<Layout, string[]>()
    for (const { layout, text } of rows) {
      const texts = byTable.get(layout)
      if (texts) texts.push(text)
      else byTable.set(layout, [text])
    }
    const tables = [...byTable].sort(([a], [b]) => (a.table < b.table ? -1 : 1))
    for (const [layout] of tables) await this.#prepare(connection, layout)
    try {
      for (const [index, [layout, texts]] of tables.entries()) {
        const statements = [stageStatements(layout)]
        if (index === 0) statements.unshift(beginStatements(limitMs))
        if (index === tables.length - 1)
          statements.push(...tables.map(([staged]) => joinStatement(staged)), 'COMMIT')
        const about = {
          system: 'postgresql',
          operation: 'COPY',
          target: layout.table,
          count: texts.length,
        } as const
        await reported(about, report, () => copyIn(connection, statements.join('; '), texts))
      }
    } catch (error) {
      const refusal = refusalOf(error) ?? suspected(error, `write ${rows.length} rows`)
      if (refusal === undefined) throw error
      await connection.none('ROLLBACK')
      throw refusal
    }
  }

  async #prepare(connection: Connection, layout: Layout): Promise<void> {
    const prepared = this.#prepared.get(connection.client) ?? new Set()
    if (prepared.has(layout)) return
    await connection.none(prepareStatements(layout))
    this.#prepared.set(connection.client, prepared.add(layout))
  }

  async ping(signal: AbortSignal): Promise<void> {
    const { writable } = await withConnection(this.#database, 'answer', signal, (connection) =>
      connection.one<{ writable: boolean }>(WRITABLE),
    )
    if (!writable) throw new TransientError(`Postgres takes no writes: ${meaningOf('25006')?.says}`)
  }

  pool(): ReturnType<PostgresSink['pool']> {
    const { totalCount, idleCount, waitingCount } = this.#database.$pool
    return { idle: idleCount, inUse: totalCount - idleCount, waiting: waitingCount }
  }

  close(): Promise<void> {
    this.#closed ??= this.#database.$pool.end()
    return this.#closed
  }
}
