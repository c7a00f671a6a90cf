import type { Entity } from '../../../schemas/contract.js'
import { BatchError, RejectedError, TransientError } from '../../errors.js'
import type { Report } from '../../telemetry/command.js'
import { bisect } from '../bisect.js'
import { compareStates } from '../comparison.js'
import type { Change, Sink } from '../sink.js'
import { BatchWriter, type StagedRow, type Variant } from './batch.js'
import { type Database, openDatabase, withConnection } from './connection.js'
import { encodeRow } from './encode.js'
import { SchemaError, StaleLayoutError } from './errors.js'
import type { Layout } from './layout.js'
import { type Layouts, readLayouts } from './layouts.js'
import { meaningOf } from './outcomes.js'
import { readWithinTime } from './read.js'
import { secondChance } from './second-chance.js'

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

/** Longest time to wait for an answer to a question, in milliseconds. */
const QUESTION_MS = 30_000
/** Longest time for a statement that writes, in milliseconds. A row that takes longer must not keep others waiting. */
const WRITE_MS = 2_500
/** Longest time to read what is stored of a batch, in milliseconds: where someone has locked the table, it waits. */
const NEWS_MS = 500
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
  const database = openDatabase({ url, poolSize, queryTimeoutMs: QUESTION_MS })
  const read = (until: AbortSignal) =>
    withConnection(database, 'read its layout', until, (connection) =>
      readLayouts(connection, entities, report),
    )
  try {
    return new CopySink(database, await read(signal), read, new BatchWriter(report))
  } catch (error) {
    await database.$pool.end()
    throw error
  }
}

interface Row extends StagedRow {
  readonly change: Change
}

/** Writes a batch in one transaction; finds the rows that Postgres refuses by halving it. */
class CopySink implements PostgresSink {
  readonly name = 'postgres'
  #closed: Promise<void> | undefined
  readonly comparison = compareStates(
    true,
    (entity) => this.#layoutOf(entity).table,
    (entity, keys, signal) => {
      const layout = this.#layoutOf(entity)
      return withConnection(this.database, `read tributary.${layout.table}`, signal, (connection) =>
        readWithinTime(NEWS_MS, connection, entity, layout, keys),
      )
    },
  )

  constructor(
    private readonly database: Database,
    private layouts: Layouts,
    private readonly readLayouts: (signal: AbortSignal) => Promise<Layouts>,
    private readonly batches: BatchWriter,
  ) {}

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
      try {
        this.layouts = await this.readLayouts(signal)
      } catch (error) {
        if (!(error instanceof SchemaError)) throw error
        // A person will correct it; until then the table's events stay pending, and those of other tables go on.
        const suspicion = { code: 'schema', refusal: undefined }
        throw new TransientError(error.message, { cause: error, suspicion })
      }
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
    const send = (part: readonly Row[], variant?: Variant) =>
      withConnection(this.database, `write ${part.length} rows`, signal, (connection) =>
        this.batches.write(connection, part, limitMs, report, variant),
      )
    const refused = await bisect(rows, send)
    if (refused.size > 0) await secondChance(this.database, refused, send, signal)
    for (const [{ change }, error] of refused) rejected.set(change, error)
    if (rejected.size > 0) throw new BatchError(rejected)
  }

  #layoutOf({ name, postgres }: Entity): Layout {
    const layout = postgres && this.layouts.get(postgres.table)
    if (layout === undefined) throw new Error(`the Postgres sink was opened without the entity ${name}`)
    return layout
  }

  async ping(signal: AbortSignal): Promise<void> {
    const { writable } = await withConnection(this.database, 'answer', signal, (connection) =>
      connection.one<{ writable: boolean }>(WRITABLE),
    )
    if (!writable) throw new TransientError(`Postgres takes no writes: ${meaningOf('25006')?.says}`)
  }

  pool(): ReturnType<PostgresSink['pool']> {
    const { totalCount, idleCount, waitingCount } = this.database.$pool
    return { idle: idleCount, inUse: totalCount - idleCount, waiting: waitingCount }
  }

  close(): Promise<void> {
    this.#closed ??= this.database.$pool.end()
    return this.#closed
  }
}
