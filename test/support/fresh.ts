import { randomInt } from 'node:crypto'
import pg from 'pg'
import { inject } from 'vitest'

/** A Postgres database of the test's own. */
export interface FreshDatabase {
  readonly postgresUrl: string
  /** Removes it, even while clients are connected. */
  drop(): Promise<void>
}

/** A name that no other test uses, for key prefixes and MongoDB databases: `prefix_` and 8 random characters. */
export function freshName(prefix: string): string {
  const random = Array.from({ length: 8 }, () => randomInt(36).toString(36))
  return `${prefix}_${random.join('')}`
}

/** Creates an empty database on the Postgres of this run, in about 50 ms. */
export async function freshDatabase(): Promise<FreshDatabase> {
  const server = inject('services').postgresUrl
  const name = freshName('test')
  await ask(server, `CREATE DATABASE ${name}`)
  const url = new URL(server)
  url.pathname = `/${name}`
  return { postgresUrl: url.href, drop: () => ask(server, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`) }
}

async function ask(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  try {
    await client.connect()
    await client.query(statement)
  } finally {
    await client.end()
  }
}
