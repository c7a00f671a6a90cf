import { expect, it } from 'vitest'
import { SchemaError } from '../../../../src/sinks/postgres/errors.js'
import { checkServerVersion } from '../../../../src/sinks/postgres/server-version.js'

// No such server is there to be asked.
const server = (number: number, version: string) => ({ one: async () => ({ number, version }) as never })

it('a server without MERGE is named, with what to do', async () => {
  await expect(checkServerVersion(server(140_023, '14.23'))).rejects.toThrow(
    new SchemaError('Postgres 14.23 is too old: upgrade it to 15 or newer, which has MERGE'),
  )
  await expect(checkServerVersion(server(150_000, '15.0'))).resolves.toBeUndefined()
})
