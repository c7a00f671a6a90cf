import type { Entity } from '../../../schemas/contract.js'
import { SchemaError } from './errors.js'
import { snakeCase } from './layout.js'

/** Postgres cuts a longer name, in bytes, without an error. */
export const MAX_NAME_BYTES = 63

/** A name as Postgres stores it: cut after the last whole character that fits. */
export function cutName(name: string): string {
  let cut = name
  while (Buffer.byteLength(cut) > MAX_NAME_BYTES) cut = Array.from(cut).slice(0, -1).join('')
  return cut
}

/**
 * Checks the names of an entity's table and of the columns that its fields need.
 * @throws SchemaError where Postgres would cut one
 */
export function checkNames({ name, fields, postgres }: Entity): void {
  if (postgres === undefined) return
  const { table, columns = {}, local = [] } = postgres
  refuseLong(table, `the table of the entity ${name}`, 'shorten `postgres.table` in its contract')
  for (const column of [...Object.values(columns), ...local]) {
    refuseLong(column, `a column of tributary.${table}`, 'shorten it in the contract, in `postgres`')
  }
  for (const field of fields) {
    if (Object.hasOwn(columns, field)) continue
    const remedy = 'give the field a shorter column in the contract, in `postgres.columns`'
    refuseLong(snakeCase(field), `the column of tributary.${table} for the field ${field}`, remedy)
  }
}

function refuseLong(name: string, what: string, remedy: string): void {
  const bytes = Buffer.byteLength(name)
  if (bytes <= MAX_NAME_BYTES) return
  throw new SchemaError(
    `the name ${name} of ${what} has ${bytes} bytes, and Postgres cuts names after ${MAX_NAME_BYTES}: ${remedy}`,
  )
}
