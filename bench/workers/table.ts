import pg from 'pg'

/** The table that the baselines write to: the columns of ours, and the time of the event in place of versions. */
const CREATE = `
  CREATE SCHEMA IF NOT EXISTS bench;
  CREATE TABLE IF NOT EXISTS bench.contacts (
    id text PRIMARY KEY, external_id text, first_name text, last_name text, email text, phone text, status text,
    extra jsonb, updated_at timestamptz NOT NULL
  ) WITH (fillfactor = 85)`

const TABLES = 'tributary.contacts, bench.contacts'

/** Postgres as the benches look at it from outside. */
export interface Tables {
  /** Empties all tables, and writes everything to disk: each run begins alike. */
  clear(): Promise<void>
  /** Writes everything to disk. */
  checkpoint(): Promise<void>
  /** The marker of each row, by its key. */
  marks(table: 'tributary.contacts' | 'bench.contacts'): Promise<Map<string, string>>
  end(): Promise<void>
}

export async function openTables(url: string): Promise<Tables> {
  const client = new pg.Pool({ connectionString: url, max: 1 })
  // A bench may stop the server meanwhile.
  client.on('error', () => undefined)
  await client.query(CREATE)
  return {
    clear: async () => {
      await client.query(`TRUNCATE ${TABLES}`)
      await client.query('CHECKPOINT')
    },
    checkpoint: async () => void (await client.query('CHECKPOINT')),
    marks: async (table) => {
      const { rows } = await client.query<[string, string]>({
        text: `SELECT id, external_id FROM ${table}`,
        rowMode: 'array',
      })
      return new Map(rows)
    },
    end: () => client.end(),
  }
}
