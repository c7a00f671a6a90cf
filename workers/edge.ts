import { isOpen } from '../schemas/authentication.js'
import { CONTRACTS } from '../schemas/index.js'
import { accessOf, authVariable } from '../src/config.js'
import { describeApi } from '../src/edge/openapi/document.js'
import { startEdge } from '../src/edge/server.js'
import { partitionKeys } from '../src/stream/keys.js'
import { createProducer } from '../src/stream/producer.js'
import { seldom } from '../src/telemetry/log.js'
import { openRedis, type Role } from './role.js'

/** A body may take this long to arrive, in ms: the slowest that CXone gives up after. */
const BODY_TIMEOUT_MS = 30_000

/** Takes webhooks and puts them into the log. */
export const start: Role = async (host) => {
  const { config, log, lifecycle, admin } = host
  const contracts = [...accessOf(config, CONTRACTS)].map(([contract, access]) => ({ contract, access }))
  for (const { contract, access } of contracts) {
    if (isOpen(access)) log.warn(`Anybody may post to ${contract.path}: ${authVariable(contract.name)}=none`)
  }
  const complain = seldom((message, repeats) => log.warn({ repeats }, message))
  const redis = await openRedis(host, 'edge', 'fail-fast')
  const partitions = partitionKeys(config.STREAM_PREFIX, config.PARTITIONS)
  const edge = await startEdge({
    host: config.HOST,
    port: config.PORT,
    contracts,
    producer: createProducer(redis, partitions),
    bufferBytes: config.EDGE_BUFFER_BYTES,
    maxBodyBytes: config.MAX_BODY_BYTES,
    bodyTimeoutMs: BODY_TIMEOUT_MS,
    appendTimeoutMs: config.APPEND_TIMEOUT_MS,
    onError: (error) => complain(`Redis did not take what was received: ${String(error)}`),
  })
  lifecycle.onClose('the edge', () => edge.stop())
  admin.serve(
    '/openapi.json',
    describeApi(
      contracts.map(({ contract, access }) => ({ contract, schemes: access.schemes })),
      edge.port,
    ),
  )
  admin.add({
    name: 'edge',
    ready: async () => void (await redis.ping()),
    stats: () => edge.stats(),
  })
  log.info({ port: edge.port }, `The edge listens on ${config.HOST}:${edge.port}`)
}
