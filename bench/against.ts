import { randomBytes } from 'node:crypto'
import { openEdge } from './edge.js'
import { startGenerator } from './load/generator.js'
import { inTurn, type Subject } from './support/figures.js'
import type { Suite } from './support/suite.js'
import { runWorker, tributary } from './workers/subjects.js'
import { openTables } from './workers/table.js'
import { type Backlog, newKeys, patches } from './workers/workload.js'

/** What a change costs or brings: this checkout beside one of another commit, in turn. */
export const againstSuite: Suite = {
  name: 'against',
  about:
    'The other checkout first, then this one, in turn: the edge at 64 connections, the Postgres worker on new keys and on ' +
    'patches.',
  async run({ fixture, quick, against, say }) {
    const generator = await startGenerator()
    const tables = await openTables(fixture.postgres.url)
    const sides = [
      ['before', against],
      ['now', undefined],
    ] as const
    try {
      const edges = await Promise.all(sides.map(([, checkout]) => openEdge(fixture, generator, {}, checkout)))
      for (const { measure } of edges) await measure(2)
      const turns = edges.map(
        ({ measure }, at): Subject => ({
          name: sides[at]?.[0] ?? '',
          run: () => measure(2),
        }),
      )
      const cases = [await inTurn('edge', 'acked/s', turns, quick ? 5 : 20, say, 'variants')]
      await Promise.all(edges.map(({ end }) => end()))
      const marks = () => tables.marks('tributary.contacts')
      const drain = async (checkout: string | undefined, backlog: Backlog) => {
        await fixture.flush()
        return await runWorker(fixture, tributary('postgres', marks, { checkout }), backlog)
      }
      const count = quick ? 30_000 : 100_000
      for (const [title, make] of [
        ['new keys', undefined],
        ['patches', patches],
      ] as const) {
        const subjects = sides.map(
          ([name, checkout]): Subject => ({
            name,
            run: async () => {
              await tables.clear()
              const keys = randomBytes(3).toString('hex')
              const first = await drain(checkout, newKeys(keys, count))
              return make ? await drain(checkout, make(keys, count)) : first
            },
          }),
        )
        cases.push(
          await inTurn(`Postgres worker, ${title}`, 'events/s', subjects, quick ? 2 : 6, say, 'variants'),
        )
      }
      return cases
    } finally {
      await Promise.all([generator.end(), tables.end()])
    }
  },
}
