import { isOpen } from '../schemas/authentication.js'
import { CONTRACTS } from '../schemas/index.js'
import { sinksNotRun } from '../src/config/sinks.js'
import { accessOf, authVariable } from '../src/config.js'
import { Admission } from '../src/edge/admission.js'
import { BacklogWatch } from '../src/edge/backlog-watch.js'
import { connectionLimit } from '../src/edge/connection-limit.js'
import { chooseHttp } from '../src/edge/http/choose.js'
import { describeApi } from '../src/edge/openapi/document.js'
import { startEdge } from '../src/edge/server.js'
import { type Confirmation, openConfirmations } from '../src/stream/durability.js'
import { type PartitionKeys, partitionKeys } from '../src/stream/keys.js'
import { createProducer } from '../src/stream/producer.js'
import { checkAppends } from '../src/stream/ready.js'
import type { RedisClient } from '../src/stream/redis.js'
import { EdgeMetrics } from '../src/telemetry/edge-metrics.js'
import { createWarnOnce } from '../src/telemetry/log.js'
import { type Host, openRedis, persist, type Role } from './role.js'

/** Maximum time for a body to arrive, in ms: CXone's longest timeout. */
const BODY_TIMEOUT_MS = 30_000

/** Receives webhooks and appends them to the log. */
export const start: Role = async (host) => {
  const { config, log, lifecycle, admin } = host
  const contracts = [...accessOf(config, CONTRACTS)].map(([contract, access]) => ({ contract, access }))
  for (const { contract, access } of contracts) {
    if (isOpen(access)) log.warn(`Anybody may post to ${contract.path}: ${authVariable(contract.name)}=none`)
  }
  const http = chooseHttp(config.EDGE_HTTP)
  if (http.notice) log.warn(http.notice)
  const warnOnce = createWarnOnce(log)
  const redis = await openRedis(host, 'edge', 'fail-fast')
  const partitions = partitionKeys(config.STREAM_PREFIX, config.PARTITIONS)
  const admission = new Admission()
  const watch = watchBacklog(host, redis, partitions, admission)
  const { connections, warning } = connectionLimit(config.EDGE_MAX_CONNECTIONS)
  if (warning) log.warn(warning)
  const metrics = new EdgeMetrics(host.telemetry.metrics)
  const edge = await startEdge({
    http,
    host: config.HOST,
    port: config.PORT,
    contracts,
    producer: createProducer(redis, partitions, await confirmationsOf(host, redis)),
    admission,
    tracing: host.telemetry.tracing,
    metrics,
    maxConnections: connections,
    reusePort: config.REUSE_PORT === 'true',
    bufferBytes: config.EDGE_BUFFER_BYTES,
    maxBodyBytes: config.MAX_BODY_BYTES,
    bodyTimeoutMs: BODY_TIMEOUT_MS,
    appendTimeoutMs: config.APPEND_TIMEOUT_MS,
    onError: (error) => warnOnce(`Redis did not store received webhooks: ${String(error)}`),
    onTurnedAway: () =>
      warnOnce(`${connections} connections are open: the edge closes each further one at once`),
  })
  lifecycle.onClose('the edge', () => edge.stop())
  metrics.runsOn(edge.http)
  metrics.watch(() => ({ ...edge.figures(), admitted: admission.share }))
  admin.serve(
    '/openapi.json',
    describeApi(
      contracts.map(({ contract, access }) => ({ contract, schemes: access.schemes })),
      edge.port,
    ),
  )
  admin.add({
    name: 'edge',
    ready: () => checkAppends(redis, partitions),
    stats: () => ({ http: edge.http, ...edge.stats(), backlog: watch.figures() }),
  })
  log.info({ port: edge.port }, `The edge listens on ${config.HOST}:${edge.port}`)
}

/** The confirmations that every append needs before the edge answers the sender. */
function confirmationsOf(host: Host, redis: RedisClient): Promise<Confirmation[]> {
  const { DURABILITY: mode, DURABILITY_REPLICAS: replicas, APPEND_TIMEOUT_MS: timeoutMs } = host.config
  return persist(host, () => openConfirmations(redis, { mode, replicas, timeoutMs }))
}

/** Starts the watch that admits no more than Redis has room for. */
function watchBacklog(
  { config, log, lifecycle }: Host,
  redis: RedisClient,
  partitions: readonly PartitionKeys[],
  admission: Admission,
): BacklogWatch {
  const budget = {
    maxBytes: config.BACKLOG_MAX_BYTES,
    maxAgeMs: config.BACKLOG_MAX_AGE_MS,
    reservePercent: config.REDIS_RESERVE_PERCENT,
  }
  const ignored = new Set<string>(sinksNotRun(config.SINKS_NOT_RUN))
  const watch = new BacklogWatch({ redis, partitions, budget, ignored, admission, log })
  watch.run(lifecycle.stopping).catch((error) => {
    if (!lifecycle.stopping.aborted) lifecycle.stop('watching the backlog crashed', error)
  })
  return watch
}
