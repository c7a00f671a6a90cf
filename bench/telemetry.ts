import { randomBytes } from 'node:crypto'
import { openEdge } from './edge.js'
import { startGenerator } from './load/generator.js'
import { startChild } from './support/child.js'
import { inTurn } from './support/figures.js'
import type { Suite } from './support/suite.js'
import { runWorker, tributary } from './workers/subjects.js'
import { openTables } from './workers/table.js'
import { newKeys } from './workers/workload.js'

/** Shares of the events that are traced; `undefined`: no collector, so neither spans nor pushes. */
const SHARES = [undefined, 0, 0.01, 1] as const

/**
 * Share of a worker's backlog that is not timed. At 1 % a batch of 500 events has only a dozen spans, so V8 compiles the
 * code for spans late: their share of the CPU falls throughout the first 200,000 events.
 */
const WARM_UP = 0.5

/** What traces and metrics cost the edge and the Postgres worker. */
export const telemetrySuite: Suite = {
  name: 'telemetry',
  about:
    'The edge at 64 connections, and the Postgres worker on new keys, without a collector and with one that takes ' +
    'everything, in turn.',
  async run({ fixture, quick, say }) {
    const collector = await startChild(new URL('./telemetry/collector.js', import.meta.url))
    const generator = await startGenerator()
    const tables = await openTables(fixture.postgres.url)
    const envOf = (share: number | undefined) =>
      share === undefined
        ? {}
        : {
            OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.ready}`,
            OTEL_METRIC_EXPORT_INTERVAL: '5000',
            TRACE_SAMPLE_RATIO: String(share),
          }
    const nameOf = (share: number | undefined) =>
      share === undefined ? 'off' : `metrics and ${share * 100} % of the traces`
    try {
      // All of them run all the time, so that turns can be short: what the machine does changes within seconds.
      const edges = await Promise.all(SHARES.map((share) => openEdge(fixture, generator, envOf(share))))
      const ofEdges = edges.map(({ measure }, at) => ({
        name: nameOf(SHARES[at]),
        run: () => measure(quick ? 1 : 2),
      }))
      for (const { measure } of edges) await measure(2)
      const edgeCase = await inTurn('edge', 'acked/s', ofEdges, quick ? 2 : 12, say, 'variants')
      await Promise.all(edges.map(({ end }) => end()))
      const marks = () => tables.marks('tributary.contacts')
      const workers = SHARES.map((share) => ({
        name: nameOf(share),
        run: async () => {
          await Promise.all([fixture.flush(), tables.clear()])
          const backlog = newKeys(randomBytes(3).toString('hex'), quick ? 20_000 : 200_000)
          const worker = tributary('postgres', marks, {
            env: envOf(share),
            traced: share ?? 0,
            warmUp: WARM_UP,
          })
          return await runWorker(fixture, worker, backlog)
        },
      }))
      const rounds = quick ? 1 : 3
      return [edgeCase, await inTurn('Postgres worker', 'events/s', workers, rounds, say, 'variants')]
    } finally {
      await Promise.all([collector.end(), generator.end(), tables.end()])
    }
  },
}
