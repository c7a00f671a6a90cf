import { expect, test } from 'vitest'
import { databasesOf, mongoClient } from '../../../../src/sinks/mongo/connect.js'

test('the URL cannot weaken what durability rests on', async () => {
  const weak =
    'w=0&journal=false&wtimeoutMS=1&readConcernLevel=local&readPreference=secondary&retryWrites=true'
  const client = mongoClient(`mongodb://host/?${weak}`)
  const { state, events } = databasesOf(client, { state: 's', events: 'e' })
  for (const db of [state, events]) {
    const collection = db.collection('c')
    expect(collection.writeConcern).toMatchObject({ w: 'majority', journal: true, wtimeoutMS: 30_000 })
    expect(collection.readConcern).toMatchObject({ level: 'majority' })
    expect(collection.readPreference?.mode).toBe('primary')
  }
  expect(client.options.retryWrites).toBe(false)
  await client.close()
})

test.each(['', 'http://host', 'mongodb://someone:secret@', 'mongodb://someone:secret@host:99999'])(
  'the URL "%s" is refused with an example and without the password',
  (url) => {
    expect(() => mongoClient(url)).toThrow(/URL cannot be read: .+ mongodb:\/\/user:password@host/)
    expect(() => mongoClient(url)).not.toThrow(/secret/)
  },
)
