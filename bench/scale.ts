import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Drain, drainFigures, watchDrain } from './support/drain.js'
import { type Case, type Figures, inTurn, type Run } from './support/figures.js'
import type { Fixture } from './support/fixture.js'
import { KEYS } from './support/fixture.js'
import type { Suite } from './support/suite.js'
import { runWorker, tributary } from './workers/subjects.js'
import { openTables, type Tables } from './workers/table.js'
import { append, expected, newKeys } from './workers/workload.js'

const RATE = 'events/s'
const STREAM = KEYS[0]?.events ?? ''

/** What one event costs against the size of everything around it: the Postgres worker, new keys. */
export const scaleSuite: Suite = {
  name: 'scale',
  about:
    'The Postgres worker on backlogs of new keys. Each case changes one thing of one process, 500 events a write, one ' +
    'partition, no other groups.',
  async run({ fixture, quick, say }) {
    const tables = await openTables(fixture.postgres.url)
    const marks = () => tables.marks('tributary.contacts')
    const count = quick ? 30_000 : 100_000
    const variant = (name: string, env: Readonly<Record<string, string>>, before?: () => Promise<void>) => ({
      name,
      run: async (): Promise<Run> => {
        await Promise.all([fixture.flush(), tables.clear()])
        await before?.()
        return await runWorker(fixture, tributary('postgres', marks, { env }), newKeys(fresh(), count))
      },
    })
    const idle = (groups: number) => async () => {
      for (let i = 0; i < groups; i++)
        await fixture.client.xgroup('CREATE', STREAM, `idle-${i}`, '$', 'MKSTREAM')
    }
    try {
      const cases: Case[] = []
      cases.push(
        await inTurn(
          'backlog',
          RATE,
          quick
            ? [large('100,000 entries', fixture, tables, 100_000)]
            : [
                large('200,000 entries', fixture, tables, 200_000),
                large('1,000,000 entries', fixture, tables, 1_000_000),
              ],
          1,
          say,
          'variants',
        ),
      )
      if (quick) return cases
      const outage = {
        name: '200,000 entries, 60 s of outage',
        run: () => afterOutage(fixture, tables, 200_000, 60_000),
      }
      cases.push(await inTurn('after an outage of Postgres', RATE, [outage], 1, say))
      const batches = [100, 500, 2_000].map((size) =>
        variant(`${size} a write`, { BATCH_MAX_EVENTS: String(size) }),
      )
      cases.push(await inTurn('batch size', RATE, batches, 1, say, 'variants'))
      const partitions = [1, 4, 16].map((n) => variant(`${n} partitions`, { PARTITIONS: String(n) }))
      cases.push(await inTurn('partitions', RATE, partitions, 1, say, 'variants'))
      const groups = [0, 10, 100].map((n) => variant(`${n} idle groups`, {}, idle(n)))
      cases.push(await inTurn('idle groups', RATE, groups, 1, say, 'variants'))
      const sizes = [0, 20, 50].map((fields) => ({
        name: `${fields} fields without a column`,
        run: () => ofFields(fixture, tables, count, fields),
      }))
      cases.push(await inTurn('fields', RATE, sizes, 1, say, 'variants'))
      return cases
    } finally {
      await tables.end()
    }
  },
}

function fresh(): string {
  return randomBytes(3).toString('hex')
}

/** A backlog, and what it takes of memory, in Redis and in the worker. */
function large(name: string, fixture: Fixture, tables: Tables, count: number) {
  return {
    name,
    run: async (): Promise<Run> => {
      await Promise.all([fixture.flush(), tables.clear()])
      const empty = await usedMemory(fixture)
      const backlog = newKeys(fresh(), count)
      await append(fixture, backlog)
      const entryBytes = ((await usedMemory(fixture)) - empty) / count
      const worker = await fixture.start('postgres')
      const drain = await watch(fixture, worker.pid, count)
      await fixture.stop(worker)
      const figures = { ...figuresOf(drain), ...residentOver(drain), 'Redis bytes/entry': entryBytes }
      return { figures, invalid: await difference(tables, expected(backlog)) }
    },
  }
}

/** The worker runs while its store is away and the backlog grows; timed from when the store is back. */
async function afterOutage(fixture: Fixture, tables: Tables, count: number, ms: number): Promise<Run> {
  await Promise.all([fixture.flush(), tables.clear()])
  const worker = await fixture.start('postgres')
  await fixture.postgres.stop()
  const backlog = newKeys(fresh(), count)
  const begun = performance.now()
  await append(fixture, backlog)
  await sleep(Math.max(0, ms - (performance.now() - begun)))
  await fixture.postgres.start()
  const drain = await watch(fixture, worker.pid, count)
  await fixture.stop(worker)
  const figures = { ...figuresOf(drain), ...residentOver(drain) }
  return { figures, invalid: await difference(tables, expected(backlog)) }
}

async function ofFields(fixture: Fixture, tables: Tables, count: number, fields: number): Promise<Run> {
  await Promise.all([fixture.flush(), tables.clear()])
  const backlog = newKeys(fresh(), count)
  await append(fixture, backlog, { size: { bytes: 0, fields } })
  const worker = await fixture.start('postgres')
  const figures = figuresOf(await watch(fixture, worker.pid, count))
  await fixture.stop(worker)
  return { figures, invalid: await difference(tables, expected(backlog)) }
}

async function watch(fixture: Fixture, worker: number, count: number): Promise<Drain> {
  const watched = { client: fixture.client, streams: [STREAM], group: 'postgres', count }
  return await watchDrain({ ...watched, workers: [worker], store: fixture.pids.postgres })
}

/** Resident memory while the backlog shrinks. */
function residentOver({ residentAtMb }: Drain): Figures {
  return Object.fromEntries(residentAtMb.map((mb, at) => [`RSS MB at ${25 * (at + 1)} %`, mb]))
}

function figuresOf(drain: Drain): Figures {
  return { ...drainFigures(drain), 'acknowledged after s': drain.seconds }
}

async function usedMemory({ client }: Fixture): Promise<number> {
  return Number(/^used_memory:(\d+)/m.exec(await client.info('memory'))?.[1])
}

async function difference(tables: Tables, marks: ReadonlyMap<string, string>): Promise<string | undefined> {
  const stored = await tables.marks('tributary.contacts')
  const wrong = [...marks].filter(([key, mark]) => stored.get(key) !== mark).length
  return wrong > 0 ? `${wrong} contacts are not as told` : undefined
}
