/**
 * Every name that telemetry goes by: those of OpenTelemetry's semantic conventions where they have one, ours below
 * `cxone.` where they have none. Dashboards, alerts and saved queries hang on them.
 */

/** First part of the `service.name` of a process: its roles follow. */
export const SERVICE = 'tributary'

/** What is done to a stream, as the first word of a span's name; the stream follows. */
export const OPERATION = {
  append: 'xadd',
  read: 'xreadgroup',
  process: 'process',
  claim: 'xautoclaim',
  fetchLost: 'xclaim',
  acknowledge: 'xack',
  deadLetter: 'xadd',
} as const

/** `messaging.operation.type` of each. */
export const OPERATION_TYPE = {
  append: 'send',
  read: 'receive',
  process: 'process',
  claim: 'receive',
  fetchLost: 'receive',
  acknowledge: 'settle',
  deadLetter: 'send',
} as const satisfies Record<keyof typeof OPERATION, string>

/** `messaging.operation.type` by the operation's own name. */
export const OPERATION_TYPE_OF: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(OPERATION_TYPE).map(([key, type]) => [OPERATION[key as keyof typeof OPERATION], type]),
)

/** Name of a span that works on a stream: `xadd cxone:{0}:events`. */
export function streamSpan(operation: keyof typeof OPERATION, stream: string): string {
  return `${OPERATION[operation]} ${stream}`
}

/** Name of a span that stands for a command: `COPY contacts`, `xack cxone:{0}:events`. */
export function commandSpan(operation: string, target: string): string {
  return `${operation} ${target}`
}

/** Name of the event in a span at the time when the sink has made it durable. */
export const COMMITTED = 'committed'

/** Name of the event in a span that a failed attempt leaves there. */
export const RETRY = 'retry'

/** Name of the span of a request: `POST /webhooks/cdc`. */
export function requestSpan(method: string, route: string | undefined): string {
  return route === undefined ? method : `${method} ${route}`
}

/** `messaging.system`: the conventions name no Redis yet. */
export const MESSAGING_SYSTEM = 'redis'

/** Attributes of spans and metrics. Never one of a contact or message on a metric. */
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
  urlScheme: 'url.scheme',
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
  /** From receipt until it is settled, in seconds. */
  eventAge: 'cxone.event.age',
  /** How often an entry has been delivered, with this time; only from the second on. */
  deliveries: 'cxone.deliveries',
  /** Attempts that have failed so far. */
  attempt: 'cxone.retry.attempt',
  deadLetterReason: 'cxone.dead_letter.reason',
  /** Code of the answer to a request that is not accepted. */
  rejectedReason: 'cxone.webhook.rejected.reason',
} as const

/**
 * Every metric. Prometheus has `_` for `.`, then the unit (`_seconds`, `_bytes`, `_ratio`), and `_total` for counters:
 * docs/metrics.md has them all in that form.
 */
export const METRIC = {
  requestDuration: 'http.server.request.duration',
  rejected: 'cxone.webhook.rejected',
  sent: 'messaging.client.sent.messages',
  consumed: 'messaging.client.consumed.messages',
  operationDuration: 'messaging.client.operation.duration',
  processDuration: 'messaging.process.duration',
  storeDuration: 'db.client.operation.duration',
  // Not `.connection.count` as the conventions have it, still in development: Prometheus keeps `_count` for histograms.
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

/** Labels of metrics that no convention names. */
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

/** Commands to the log; the edge and the workers both tell it. */
export const OPERATION_DURATION = {
  name: METRIC.operationDuration,
  description: 'Commands to the log: a read counts with its wait for entries, and only where some came',
  unit: 's',
} as const

/** By sink (or `edge`) and reason; likewise. */
export const DEAD_LETTERS = {
  name: METRIC.deadLettered,
  description: 'Dead letters that were written',
  unit: '{message}',
} as const
