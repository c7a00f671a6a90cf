import type { Connection } from './connection.js'
import { SchemaError } from './errors.js'

/** The oldest server with MERGE, as `server_version_num` gives it. */
const OLDEST = 150_000

/** Checks that the server has what the statements need. @throws SchemaError where it is too old */
export async function checkServerVersion(connection: Pick<Connection, 'one'>): Promise<void> {
  const { number, version } = await connection.one<{ number: number; version: string }>(
    "SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS version",
  )
  if (number >= OLDEST) return
  throw new SchemaError(`Postgres ${version} is too old: upgrade it to 15 or newer, which has MERGE`)
}
