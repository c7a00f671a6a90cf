import { type Report, reported } from '../../telemetry/command.js'
import { type Connection, copyIn } from './connection.js'
import { refusalOf, suspected } from './errors.js'
import type { Layout } from './layout.js'
import {
  begin,
  copyStatement,
  createStage,
  executeJoin,
  joinName,
  joinStaged,
  prepareJoin,
} from './statements.js'

/** A row of a batch. */
export interface StagedRow {
  readonly layout: Layout
  /** The row in COPY's text format. */
  readonly text: string
}

/** How a transaction differs from that of a whole batch. */
export interface Variant {
  /** Statements between the COPY of the last table and the joins. */
  readonly before?: readonly string[]
  /** The join of a table, in full; default: the one that is prepared. */
  readonly join?: (layout: Layout) => string
  /** Default: `COMMIT`. */
  readonly end?: 'COMMIT' | typeof ROLLBACK
}

/** Ends a trial. Checks deferred constraints first, as COMMIT does. */
export const ROLLBACK = 'SET CONSTRAINTS ALL IMMEDIATE; ROLLBACK'

/** Shortest limit for a statement that prepares a connection, in milliseconds: it writes to the catalog. */
const PREPARE_MS = 250

const POOLER =
  'Postgres is behind a connection pooler: each batch makes its stage table anew, which costs Postgres 2 to 3 us a row ' +
  'more; a URL of the server itself, or of a pool in session mode, saves that'

/**
 * Writes batches, each in one transaction: for each table one COPY into a stage table, and one join from there. A
 * connection to the server itself keeps its stage tables and prepared joins. Behind a pooler such as PgBouncer in
 * transaction mode, each transaction may have another server process, so it makes its own.
 */
export class BatchWriter {
  /** What a connection has prepared; `undefined` behind a pooler. */
  readonly #prepared = new WeakMap<Connection['client'], Set<string> | 'pooled'>()
  #told = false

  /** @param report called with a line for people */
  constructor(private readonly report: (line: string) => void) {}

  /**
   * One round trip for each table, and behind a pooler one more. Tables are written in the order of their names, so
   * that workers do not deadlock. All rows are in stage tables before the first row is locked: a worker that hangs or
   * dies before that holds no lock on rows.
   * @param limitMs longest time for a statement, in milliseconds
   * @throws RejectedError where Postgres refuses at least one row · TransientError where one may be the cause; then none
   * is written, and the connection is sound · the driver's error
   */
  async write(
    connection: Connection,
    rows: readonly StagedRow[],
    limitMs: number,
    report?: Report,
    variant: Variant = {},
  ): Promise<void> {
    const tables = byTable(rows)
    const layouts = tables.map(([layout]) => layout)
    const begun = begin(layouts, limitMs)
    try {
      const pooled = (await this.#prepare(connection, layouts, limitMs)) === 'pooled'
      const { before = [], join = pooled ? joinStaged : executeJoin, end = 'COMMIT' } = variant
      if (pooled) await connection.none(begun)
      for (const [index, [layout, texts]] of tables.entries()) {
        const statements = [copyStatement(layout)]
        if (pooled) statements.unshift(createStage(layout, 'DROP'))
        else if (index === 0) statements.unshift(begun)
        if (index === tables.length - 1) statements.push(...before, ...layouts.map(join), end)
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

  async #prepare(
    connection: Connection,
    layouts: readonly Layout[],
    limitMs: number,
  ): Promise<Set<string> | 'pooled'> {
    const { client } = connection
    let prepared = this.#prepared.get(client)
    if (prepared === undefined) {
      prepared = (await isPooled(connection)) ? 'pooled' : new Set()
      this.#prepared.set(client, prepared)
    }
    if (prepared === 'pooled') {
      if (!this.#told) this.report(POOLER)
      this.#told = true
      return prepared
    }
    for (const layout of layouts) {
      const name = joinName(layout)
      if (prepared.has(name)) continue
      await connection.none(begin([layout], Math.max(limitMs, PREPARE_MS)))
      await connection.none(`${createStage(layout, 'DELETE ROWS')}; ${prepareJoin(layout)}; COMMIT`)
      prepared.add(name)
    }
    return prepared
  }
}

function byTable(rows: readonly StagedRow[]): [Layout, string[]][] {
  const tables = new Map<Layout, string[]>()
  for (const { layout, text } of rows) {
    const texts = tables.get(layout)
    if (texts) texts.push(text)
    else tables.set(layout, [text])
  }
  return [...tables].sort(([a], [b]) => (a.table < b.table ? -1 : 1))
}

/** A pooler gives the client a key of its own to cancel with, and not that of the server's process. */
async function isPooled(connection: Connection): Promise<boolean> {
  const { pid } = await connection.one<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  return pid !== connection.client.processID
}
