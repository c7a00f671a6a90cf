import { setMaxListeners } from 'node:events'
import pg from 'pg'
import { onTestFinished } from 'vitest'
import { contacts, interactions } from '../../schemas/cdc.js'
import { contactRecords } from '../../schemas/contact-sync.js'
import type { Entity } from '../../schemas/contract.js'
import { BatchError, type RejectedError } from '../../src/errors.js'
import { migratePostgres } from '../../src/sinks/postgres/migrate/migrate.js'
import { createPostgresSink, type PostgresSink } from '../../src/sinks/postgres/sink.js'
import type { Change } from '../../src/sinks/sink.js'
import { patch, type State, snapshot } from '../../src/state/state.js'
import { makeVersion, type Operation, type Version } from '../../src/state/version.js'
import { freshDatabase, freshName } from '../support/fresh.js'

export const ENTITIES = [contacts, interactions, contactRecords]
export const NEVER = new AbortController().signal
// Tests have more batches under way at once than a worker.
setMaxListeners(0, NEVER)

/** The product's connections to this database; tests of other files have theirs to others. */
const OURS = "FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'tributary'"
/** Asks for those that wait for a lock. */
export const WAITS = `SELECT pid ${OURS} AND wait_event_type = 'Lock'`
/** Ends all of them. */
export const DISCONNECT = `SELECT pg_terminate_backend(pid) ${OURS}`

/** A migrated database of the test's own, gone when the test ends. */
export interface Fixture {
  readonly url: string
  /** The rows of a statement's last result. */
  ask<T extends pg.QueryResultRow = Record<string, unknown>>(sql: string, values?: unknown[]): Promise<T[]>
  /** @returns what was reported */
  migrate(): Promise<string[]>
  sink(poolSize?: number): Promise<PostgresSink>
}

export async function fixture(): Promise<Fixture> {
  const { postgresUrl: url, drop } = await freshDatabase()
  onTestFinished(drop)
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  onTestFinished(() => client.end())
  const migrate = async () => {
    const lines: string[] = []
    await migratePostgres({
      url,
      entities: ENTITIES,
      signal: NEVER,
      report: (line) => {
        lines.push(line)
      },
    })
    return lines
  }
  await migrate()
  return {
    url,
    migrate,
    ask: async <T extends pg.QueryResultRow>(sql: string, values?: unknown[]) =>
      (await client.query<T>(sql, values)).rows,
    sink: async (poolSize = 2) => {
      const sink = await createPostgresSink({ url, poolSize, entities: ENTITIES })
      onTestFinished(() => sink.close())
      return sink
    },
  }
}

/** A role that owns nothing and has the rights that docs/tables.md names, and the database's URL for it. */
export async function workersRole(db: Fixture): Promise<{ role: string; url: string }> {
  const role = freshName('role')
  await db.ask(`CREATE ROLE ${role} LOGIN PASSWORD 'x'; GRANT USAGE ON SCHEMA tributary TO ${role};
    GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA tributary TO ${role}`)
  onTestFinished(async () => void (await db.ask(`DROP OWNED BY ${role}; DROP ROLE ${role}`)))
  const url = new URL(db.url)
  url.username = role
  url.password = 'x'
  return { role, url: url.href }
}

/** A version at a time of the test's choice, in seconds. */
export function at(seconds: number, operation: Operation = 'patch', index = 0): Version {
  return makeVersion(1_763_780_000_000_000 + seconds * 1_000_000, operation, {
    partition: 0,
    entryId: '1763780760125-0',
    index,
  })
}

export function change(entity: Entity, key: string, state: State): Change {
  return { entity, key, state, origin: { partition: 0, entryId: '1763780760125-0', index: 0 } }
}

/** What a promise rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise
  } catch (error) {
    return error
  }
  throw new Error('it should have been rejected')
}

/** The whole contact as of a time, in seconds. */
export function person(key: string, seconds: number, fields: [string, unknown][]): Change {
  return change(contacts, key, snapshot(at(seconds, 'snapshot'), fields))
}

/** Some fields of a contact as of a time, in seconds. */
export function news(key: string, seconds: number, fields: [string, unknown][]): Change {
  return change(contacts, key, patch(at(seconds), fields))
}

/** Rows without what is null. */
export async function rows({ ask }: Fixture, from = 'tributary.contacts'): Promise<unknown[]> {
  const found = await ask(`SELECT jsonb_strip_nulls(to_jsonb(t)) AS row FROM ${from} AS t ORDER BY id`)
  return found.map(({ row }) => row)
}

/** What a write's error says of each rejected key; empty where nothing was rejected. */
export async function refusals(writing: Promise<void>): Promise<Map<string, RejectedError>> {
  const error = await writing.catch((cause: unknown) => cause)
  if (error === undefined) return new Map()
  if (!(error instanceof BatchError)) throw error
  return new Map(Array.from(error.rejected as Map<Change, RejectedError>, ([{ key }, why]) => [key, why]))
}
