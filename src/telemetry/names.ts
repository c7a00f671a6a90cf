/**
 * Every name in telemetry: those of OpenTelemetry's semantic conventions where they exist, otherwise ours below
 * `cxone.`. Dashboards, alerts and saved queries depend on them.
 */

/** First part of a process's `service.name`; its roles follow. */
export const SERVICE = 'tributary'

/** Operations on a stream: the first word of a span's name; the stream follows. */
export const OPERATION = {
  append: 'xadd',
  read: 'xreadgroup',
  process: 'process',
  claim: 'xautoclaim',
  fetchLost: 'xclaim',
  acknowledge: 'xack',
  deadLetter: 'xadd',
} as const

/** `messaging.operation.type` of each operation. */
export const OPERATION_TYPE = {
  append: 'send',
  read: 'receive',
  process: 'process',
  claim: 'receive',
  fetchLost: 'receive',
  acknowledge: 'settle',
  deadLetter: 'send',
} as const satisfies Record<keyof typeof OPERATION, string>

/** `messaging.operation.type` by the operation's name. */
export const OPERATION_TYPE_OF: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(OPERATION_TYPE).map(([key, type]) => [OPERATION[key as keyof typeof OPERATION], type]),
)

/** Name of a span that works on a stream: `xadd cxone:{0}:events`. */
export function streamSpan(operation: keyof typeof OPERATION, stream: string): string {
  return `${OPERATION[operation]} ${stream}`
}

/** Name of a span of a command: `COPY contacts`, `xack cxone:{0}:events`. */
export function commandSpan(operation: string, target: string): string {
  return `${operation} ${target}`
}

/** Name of a span's event at the time when the sink has made the write durable. */
export const COMMITTED = 'committed'

/** Name of a span's event for a failed attempt. */
export const RETRY = 'retry'

/** Name of the span of a request: `POST /webhooks/cdc`. */
export function requestSpan(method: string, route: string | undefined): string {
  return route === undefined ? method : `${method} ${route}`
}

/** `messaging.system`: the conventions have no name for Redis yet. */
export const MESSAGING_SYSTEM = 'redis'

/** Attributes of spans and metrics. A metric never has an id of a contact or message. */
export const ATTRIBUTE = {
  serviceName: 'service.name',
  serviceVersion: 'service.version',
  serviceInstance: 'service.instance.id',
  hostName: 'host.name',
  errorType: 'error.type',
  method: 'http.request.method',
  route: 'http.route',
  requestBytes: 'http.request.body.size',
  statusCode: 'http.response.status_code',
  urlPath: 'url.path',
  urlTemplate: 'url.template',
  urlScheme: 'url.scheme',
  serverAddress: 'server.address',
  messagingSystem: 'messaging.system',
  operationName: 'messaging.operation.name',
  operationType: 'messaging.operation.type',
  destination: 'messaging.destination.name',
  destinationPartition: 'messaging.destination.partition.id',
  consumerGroup: 'messaging.consumer.group.name',
  messageId: 'messaging.message.id',
  messageBytes: 'messaging.message.body.size',
  batchCount: 'messaging.batch.message_count',
  storeSystem: 'db.system.name',
  storeOperation: 'db.operation.name',
  storeCollection: 'db.collection.name',
  storeBatch: 'db.operation.batch.size',
  storeStatus: 'db.response.status_code',
  exceptionMessage: 'exception.message',
  /** Name of the contract. */
  source: 'cxone.source',
  /** The sender's id of a delivery. */
  delivery: 'cxone.delivery.id',
  /** Time from receipt until the event is acknowledged, in seconds. */
  eventAge: 'cxone.event.age',
  /** Number of deliveries of an entry, including this one; only from the second on. */
  deliveries: 'cxone.deliveries',
  /** Failed attempts so far. */
  attempt: 'cxone.retry.attempt',
  deadLetterReason: 'cxone.dead_letter.reason',
  /** Code of the answer to a refused request. */
  rejectedReason: 'cxone.webhook.rejected.reason',
} as const

/**
 * Every metric. Prometheus has `_` for `.`, then the unit (`_seconds`, `_bytes`, `_ratio`), and `_total` for counters:
 * docs/metrics.md has them all in that form.
 */
export const METRIC = {
  requestDuration: 'http.server.request.duration',
  clientRequestDuration: 'http.client.request.duration',
  rejected: 'cxone.webhook.rejected',
  sent: 'messaging.client.sent.messages',
  consumed: 'messaging.client.consumed.messages',
  operationDuration: 'messaging.client.operation.duration',
  processDuration: 'messaging.process.duration',
  storeDuration: 'db.client.operation.duration',
  // Not `.connection.count` as in the conventions, still in development: Prometheus keeps `_count` for histograms.
  poolConnections: 'db.client.connections',
  poolWaiting: 'db.client.connection.pending_requests',
  syncLag: 'cxone.sync.lag',
  eventAge: 'cxone.pipeline.event.age',
  batchSize: 'cxone.batch.size',
  deadLettered: 'cxone.dead_letter.messages',
  redelivered: 'cxone.redelivered.messages',
  retries: 'cxone.worker.retries',
  failing: 'cxone.worker.failing',
  inFlight: 'cxone.edge.in_flight',
  connections: 'cxone.edge.connections',
  turnedAway: 'cxone.edge.connections.turned_away',
  aborted: 'cxone.edge.aborted',
  buffered: 'cxone.edge.buffered',
  admitted: 'cxone.edge.admitted',
  httpServer: 'cxone.edge.http_server',
  streamLength: 'redis.stream.length',
  groupLag: 'redis.stream.group.lag',
  groupPending: 'redis.stream.group.messages.pending',
  groupLagKnown: 'redis.stream.group.lag_known',
  oldestUndelivered: 'redis.stream.group.oldest_undelivered_age',
  oldestPending: 'redis.stream.group.oldest_unacknowledged_age',
  deadLetters: 'redis.stream.dead_letters',
  streamBytes: 'redis.stream.bytes',
  redisMemory: 'redis.memory.used',
  stalledGroups: 'cxone.maintenance.stalled_groups',
  heapUsed: 'v8js.memory.heap.used',
  heapLimit: 'v8js.memory.heap.limit',
  memory: 'process.memory.usage',
  cpuTime: 'process.cpu.time',
  telemetryLost: 'cxone.telemetry.lost',
} as const

/** Labels of metrics that no convention defines. */
export const LABEL = {
  reason: 'reason',
  sink: 'sink',
  status: 'status',
  state: 'state',
  stream: 'stream',
  group: 'group',
  pool: 'db.client.connection.pool.name',
  cpuMode: 'cpu.mode',
  server: 'server',
} as const

/** Commands to the log; the edge and the workers both record them. */
export const OPERATION_DURATION = {
  name: METRIC.operationDuration,
  description: 'Commands to the log: a read counts with its wait for entries, and only where some came',
  unit: 's',
} as const

/** Dead letters, by sink (or `edge`) and reason; recorded by the edge and the workers. */
export const DEAD_LETTERS = {
  name: METRIC.deadLettered,
  description: 'Dead letters that were written',
  unit: '{message}',
} as const
