import { CONTRACTS } from '../schemas/index.js'
import { secretsOf } from '../src/config.js'
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
  const secrets = secretsOf(
    config,
    CONTRACTS.map(({ name }) => name),
  )
  const contracts = CONTRACTS.map((contract) => ({ contract, secrets: secrets.get(contract.name) }))
  for (const { contract, secrets } of contracts) {
    if (!secrets)
      log.warn(`Anybody may post to ${contract.path}: ${contract.name} is configured without secrets`)
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
  admin.add({
    name: 'edge',
    ready: async () => void (await redis.ping()),
    stats: () => edge.stats(),
  })
  log.info({ port: edge.port }, `The edge listens on ${config.HOST}:${edge.port}`)
}
