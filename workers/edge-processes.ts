import { once } from 'node:events'
import { createServer } from 'node:net'
import { CONTRACTS } from '../schemas/index.js'
import { accessOf, environment } from '../src/config.js'
import { describeApi } from '../src/edge/openapi/document.js'
import { type EdgeStats, together } from '../src/edge/traffic.js'
import { Siblings } from '../src/ops/siblings.js'
import { mergeMetrics } from '../src/telemetry/merge-metrics.js'
import { LABEL } from '../src/telemetry/names.js'
import { inFormatOf } from '../src/telemetry/prometheus.js'
import type { Role } from './role.js'

/** An edge on several cores: each process listens on the same port. This one keeps them, and speaks for all of them. */
export const startEdgeProcesses: Role = async ({ config, log, lifecycle, admin, telemetry }) => {
  const { HOST, PORT, EDGE_PROCESSES: count } = config
  await checkPort(HOST, PORT)
  const [, program = ''] = process.argv
  // The admin port is ours: theirs are for us alone.
  const env = { ...environment(), ADMIN_PORT: '0' }
  const siblings = new Siblings({ count, program, args: ['start', 'edge', '--sibling'], env, log })
  lifecycle.onClose('the edge', () => siblings.stop())
  await siblings.start(lifecycle.stopping)
  admin.answer('/metrics', async (accept) => {
    const texts = [await telemetry.metrics.text(), ...(await siblings.ask('/metrics'))]
    return inFormatOf(
      accept,
      mergeMetrics(LABEL.process, new Map(texts.map((text, place) => [String(place), text]))),
    )
  })
  const contracts = [...accessOf(config, CONTRACTS)].map(([contract, { schemes }]) => ({ contract, schemes }))
  admin.serve('/openapi.json', describeApi(contracts, PORT))
  admin.add({
    name: 'edge',
    ready: async () => void (await siblings.ask('/readyz')),
    stats: async () => {
      const stats = (await siblings.ask('/stats')).map(
        (text) => (JSON.parse(text) as { edge: EdgeStats }).edge,
      )
      // Of the backlog all see the same.
      return { ...stats[0], ...together(stats) }
    },
  })
  log.info({ port: PORT }, `The edge listens on ${HOST}:${PORT}, in ${count} processes`)
}

/** @throws Error where another server has the port: it would silently get its share of the connections */
async function checkPort(host: string, port: number): Promise<void> {
  if (port === 0)
    throw new Error('EDGE_PROCESSES needs a PORT of its own: several processes cannot share any free one')
  const probe = createServer()
  probe.listen(port, host)
  await once(probe, 'listening').catch((cause: Error) => {
    throw new Error(
      `The edge cannot listen on port ${port} of ${host} (${cause.message}). End the other process, or set PORT (or ` +
        'HOST) to something else.',
      { cause },
    )
  })
  probe.close()
  await once(probe, 'close')
}
