import { cp, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { describe, expect, it, onTestFinished } from 'vitest'
import { CONTRACTS } from '../../schemas/index.js'
import { post } from '../support/edge.js'
import * as mongoTickets from '../support/example/9000_tickets.js'
import { ticket } from '../support/example/tickets.js'
import { openInProcess } from '../support/in-process.js'

const ROOT = join(import.meta.dirname, '../..')
const EXAMPLE = join(ROOT, 'test/support/example')

/** The shipped migrations and the example's. */
async function migrationsFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'migrations-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  await cp(join(ROOT, 'migrations/postgres'), folder, { recursive: true })
  await cp(join(EXAMPLE, '9000_tickets.sql'), join(folder, '9000_tickets.sql'))
  return folder
}

describe('a new event type', () => {
  it('is a file in schemas/ and a migration, and nothing else', async () => {
    const tributary = await openInProcess({
      contracts: [...CONTRACTS, ticket],
      postgresMigrations: await migrationsFolder(),
      mongoMigrations: [{ name: '9000_tickets', ...mongoTickets }],
    })
    const { edge, database, mongo } = tributary
    const at = (second: number) => `2025-11-22T09:30:0${second}Z`
    const tell = async (body: object) => {
      const answer = await post(edge.edge, ticket, JSON.stringify(body))
      return { status: answer.status, entry: String(answer.headers['tributary-entry']) }
    }
    // Late, twice, and with a field that no column has.
    const opened = { subject: 'No sound', priority: 2, language: 'de' }
    const told = [
      { ticketId: 't-1', change: 'changed', timestamp: at(2), assignedTo: 'ada' },
      { ticketId: 't-1', change: 'opened', timestamp: at(1), ...opened },
      { ticketId: 't-1', change: 'opened', timestamp: at(1), ...opened },
      { ticketId: 't-2', change: 'opened', timestamp: at(1), ...opened },
      { ticketId: 't-2', change: 'removed', timestamp: at(3) },
    ]
    const answers = []
    for (const body of told) answers.push(await tell(body))
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202, 202, 202])
    expect((await tell({ ...told[0], priority: 9 })).status).toBe(400)
    await tributary.drain()

    const client = new pg.Client(database.postgresUrl)
    await client.connect()
    const { rows } = await client.query('SELECT * FROM public.tickets')
    await client.end()
    const row = { id: 't-1', subject: 'No sound', priority: 2, assigned_to: 'ada', extra: { language: 'de' } }
    expect(rows).toEqual([row])
    const documents = await mongo.client.db(mongo.databases.state).collection('tickets').find().toArray()
    expect(documents).toEqual([{ _id: 't-1', id: 't-1', ...opened, assignedTo: 'ada' }])
    await tributary.end()
  })

  it('is written as docs/adding-an-event-type.md shows it', async () => {
    const page = await readFile(join(ROOT, 'docs/adding-an-event-type.md'), 'utf8')
    for (const file of ['tickets.ts', '9000_tickets.sql', '9000_tickets.ts']) {
      const code = await readFile(join(EXAMPLE, file), 'utf8')
      // In its own folder it imports its neighbours.
      const own = code.replaceAll('../../../schemas/', './').replaceAll('../../../migrations/mongo/', './')
      expect(page).toContain(own)
    }
  })
})
