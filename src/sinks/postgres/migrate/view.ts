import type { Connection } from '../connection.js'
import { isOfSchema, SchemaError } from '../errors.js'
import type { StepOptions } from './adopt.js'
import { obstacle, recordedOf, summary } from './drop-views.js'
import { type FoundView, findView } from './find-view.js'
import { createView, giveBack, type Keepsakes, optionsClause } from './give-back.js'
import { keepsakesOf } from './keepsakes.js'
import { emptyPath, inTurn, ownersPath, reading } from './turn.js'

/**
 * Makes `public.<table>`, the view for readers: the rows that are not deleted, with all columns whose names do not
 * start with an underscore. Leaves a correct view alone, and only reads then. Replaces another one in place where
 * Postgres can; else drops and creates it in one transaction. What the owner has made of the view is kept, also from
 * before `--drop-views`: its options, owner, grants, comments, defaults, triggers and rules.
 * @throws SchemaError where an object of the owner stands in the way or would be lost; nothing is changed then
 */
export async function remakeView(connection: Connection, table: string, options: StepOptions): Promise<void> {
  const { report, dryRun } = options
  const done = await reading(connection, async () => {
    const { right, noted, exists } = await findView(connection, table)
    const recorded = await recordedOf(connection, table)
    if (dryRun && !right) report(`Postgres: would make the view public.${table}`)
    if (dryRun && !exists && recorded) report(`Postgres: would give it back ${summary(recorded)}`)
    return dryRun || (right && noted && recorded === undefined)
  })
  if (done) return
  try {
    await inTurn(connection, report, () => make(connection, table, report))
  } catch (error) {
    throw isOfSchema(error) ? obstacle(error, table) : error
  }
}

async function make(connection: Connection, table: string, report: (line: string) => void): Promise<void> {
  const found = await findView(connection, table)
  const recorded = await recordedOf(connection, table)
  if (found.exists && recorded) {
    report(`Postgres: public.${table} is there again, so what --drop-views kept of it is forgotten:`)
    for (const { sql } of recorded.statements) report(`  ${sql};`)
  }
  await ownersPath(connection)
  if (!found.right) await build(connection, found, recorded, report)
  await note(connection, table, found.columns)
  if (recorded) await connection.none('DELETE FROM tributary.kept_views WHERE view_name = $1', [table])
}

async function build(
  connection: Connection,
  found: FoundView,
  recorded: Keepsakes | undefined,
  report: (line: string) => void,
): Promise<void> {
  const { view, table, definition, columns } = found
  if (found.grows) {
    await connection.none(`CREATE OR REPLACE VIEW ${view}${optionsClause(found.options)} AS ${definition}`)
  } else if (found.exists) {
    await recreate(connection, found)
  } else {
    await connection.none(createView(view, recorded?.options ?? [], definition))
    if (recorded) {
      const lost = await giveBack(connection, view, recorded, columns)
      for (const { what, column } of lost) report(`Postgres: ${what} is gone with the column ${column}`)
      report(`Postgres: gave public.${table} back ${summary(recorded)}`)
    }
  }
  report(`Postgres: made the view public.${table}`)
}

/** Records the view's columns: a view that has others later is its owner's. */
async function note(connection: Connection, table: string, columns: readonly string[]): Promise<void> {
  const record = 'UPDATE tributary.layout SET view_columns = $2::text[] WHERE table_name = $1'
  await connection.none(record, [table, columns])
}

async function recreate(connection: Connection, found: FoundView): Promise<void> {
  const { view, table, columns, definition } = found
  await emptyPath(connection)
  const keepsakes = await keepsakesOf(connection, view)
  const lost = keepsakes.statements.filter(({ column }) => column !== undefined && !columns.includes(column))
  if (lost.length > 0) {
    throw new SchemaError(
      `the view public.${table} cannot be made anew: it would lose ${lost.map(({ what }) => what).join(', ')}, ` +
        `because tributary.${table} has no such column any more; ` +
        'run `tributary migrate --drop-views`, then `tributary migrate`, which gives back the rest',
    )
  }
  await ownersPath(connection)
  await connection.none(`DROP VIEW ${view}`)
  await connection.none(createView(view, keepsakes.options, definition))
  await giveBack(connection, view, keepsakes, columns)
}
