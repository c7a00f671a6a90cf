import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { BSON } from 'mongodb'
import { expect, onTestFinished, test } from 'vitest'
import { contacts } from '../../schemas/cdc.js'
import { CONTRACTS, ENTITIES } from '../../schemas/index.js'
import { BatchError, type RejectedError } from '../../src/errors.js'
import { createDecoder } from '../../src/pipeline/decode.js'
import type { StateDocument } from '../../src/sinks/mongo/document.js'
import { createMongoSink } from '../../src/sinks/mongo/sink.js'
import type { Change, Sink } from '../../src/sinks/sink.js'
import { TIMESTAMP } from '../support/decoding.js'
import { entryOf } from '../support/entries.js'
import { freshMongo } from '../support/fresh-mongo.js'
import { fixture, NEVER } from './postgres-fixture.js'

const PAGE = readFileSync(join(import.meta.dirname, '../../docs/outcomes.md'), 'utf8')
const NO_COLUMN = 'none'

/** A row of the page's table. */
interface Row {
  /** The event's key, and the name of the field and its column. */
  readonly name: string
  /** Type of the column. */
  readonly type: string
  /** JSON. */
  readonly sent: string
  readonly postgres: string
  readonly mongo: string
}

function documented(): Row[] {
  const [, section = ''] = /\n## Values\n([\s\S]*?)(?:\n## |$)/.exec(PAGE) ?? []
  const rows = [...section.matchAll(/^\| `?(.*?)`? \| `(.*?)` \| `(.*?)`.*? \| (.*?) \|$/gm)]
  return rows.map(([, type = '', sent = '', postgres = '', mongo = ''], at) => ({
    ...{ name: `v${at}`, type, sent, postgres },
    mongo: mongo.replaceAll('`', ''),
  }))
}

/** What a sink does with the events of the rows: the reasons of its dead letters, by key. */
async function deliver(sink: Sink, rows: readonly Row[]): Promise<Map<string, string>> {
  const decode = createDecoder({ contracts: CONTRACTS, sink: sink.name as 'mongo', maxClockSkewMs: 0 })
  const reasons = new Map<string, string>()
  const changes: Change[] = []
  for (const { name, sent } of rows) {
    const event = `{"webhookId":"w","eventType":"contact.created","timestamp":"${TIMESTAMP}","eventData":{"id":"${name}","${name}":${sent}}}`
    const decoded = decode(entryOf('cdc', Buffer.from(event)))
    changes.push(...decoded.changes)
    for (const { reason } of decoded.rejected.values()) reasons.set(name, reason)
  }
  const refused = await sink.write(changes, NEVER).then(
    () => new Map<Change, RejectedError>(),
    (error: unknown) => {
      if (error instanceof BatchError) return error.rejected as ReadonlyMap<Change, RejectedError>
      throw error
    },
  )
  for (const [{ key }, { reason }] of refused) reasons.set(key, reason)
  return reasons
}

test('Postgres does with values what the page says', async () => {
  const rows = documented()
  expect(rows.length).toBeGreaterThan(25)
  const { ask, migrate, sink } = await fixture()
  for (const { name, type } of rows)
    if (type !== NO_COLUMN) await ask(`ALTER TABLE tributary.contacts ADD COLUMN ${name} ${type}`)
  await migrate()
  await ask("SET TimeZone = 'UTC'")
  const reasons = await deliver(await sink(), rows)
  const found: Row[] = []
  for (const row of rows) {
    const text = row.type === NO_COLUMN ? `extra ->> '${row.name}'` : `${row.name}::text`
    const [stored] = await ask<{ text: string }>(
      `SELECT ${text} AS text FROM tributary.contacts WHERE id = $1`,
      [row.name],
    )
    found.push({ ...row, postgres: reasons.get(row.name) ?? stored?.text ?? 'nothing' })
  }
  expect(found).toEqual(rows)
})

test('MongoDB does with values what the page says', async () => {
  const rows = documented()
  const mongo = await freshMongo()
  onTestFinished(mongo.drop)
  const sink = await createMongoSink({ ...mongo, entities: ENTITIES })
  onTestFinished(() => sink.close())
  const reasons = await deliver(sink, rows)
  const collection = mongo.client
    .db(mongo.databases.state)
    .collection<StateDocument>(contacts.mongo.collection)
  const found: Row[] = []
  for (const row of rows) {
    const document = await collection.findOne({ _id: row.name }, { promoteValues: false })
    found.push({ ...row, mongo: reasons.get(row.name) ?? shown(document?.[row.name], row.sent) })
  }
  expect(found).toEqual(rows)
})

function shown(stored: unknown, sent: string): string {
  if (stored instanceof BSON.Int32) return `Int32 ${stored}`
  if (stored instanceof BSON.Long) return `Int64 ${stored}`
  if (stored instanceof BSON.Decimal128) return `Decimal128 ${stored}`
  if (stored instanceof BSON.Double) return `Double ${stored}`
  return JSON.stringify(stored) === JSON.stringify(JSON.parse(sent))
    ? 'as it was sent'
    : JSON.stringify(stored)
}
