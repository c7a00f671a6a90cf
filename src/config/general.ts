import { Type } from 'typebox'
import { CXONE } from './cxone.js'
import { SINKS } from './sinks.js'
import { TELEMETRY } from './telemetry.js'
import { choice, count, text, url } from './types.js'

/** The variables that do not depend on a contract. */
export const GENERAL = {
  HOST: text('Address that the edge listens on', '0.0.0.0'),
  PORT: count('Port of the edge; 0 chooses a free one', 8080, 0, 65_535),
  ADMIN_PORT: count(
    'Port of /healthz, /readyz, /status, /stats, /metrics, and /openapi.json of the edge; 0 chooses a free one',
    9090,
    0,
    65_535,
  ),
  REDIS_URL: url(
    'Redis or Valkey >= 6.2, maxmemory-policy noeviction; for a Cluster give one or several nodes, comma-separated',
    'redis://127.0.0.1:6379',
  ),
  POSTGRES_URL: url('Database for the rows', 'postgres://tributary@127.0.0.1:5432/tributary'),
  MONGODB_URL: url('MongoDB server for the documents', 'mongodb://127.0.0.1:27017'),
  MONGODB_STATE_DATABASE: text('MongoDB database of contacts, interactions and contact records', 'cxone'),
  MONGODB_EVENTS_DATABASE: text('MongoDB database of data-action events', 'cxone_events'),
  STREAM_PREFIX: text('First part of the Redis keys: <prefix>:{<partition>}:events', 'cxone'),
  PARTITIONS: count(
    'Number of streams for the events; may be raised: restart the workers first, then the edges',
    1,
    1,
    256,
  ),
  BATCH_MAX_EVENTS: count('Maximum events in a write; a worker has two writes in flight', 500, 1, 100_000),
  BATCH_LINGER_MS: count('How long a worker waits for a fuller batch, in ms', 0, 0, 60_000),
  MAX_BODY_BYTES: count(
    'Maximum size of a request body, in bytes; a larger one gets 413',
    1_048_576,
    1_024,
    16_777_216,
  ),
  MAX_CLOCK_SKEW_MS: count(
    'How far in the future the timestamp of an event may be, in ms',
    600_000,
    0,
    86_400_000,
  ),
  MAX_UNKNOWN_FIELDS: count(
    'Maximum fields of an event that its contract does not name; an event with more is dead-lettered',
    1_000,
    0,
    100_000,
  ),
  APPEND_TIMEOUT_MS: count(
    'How long Redis may take to keep an event before the edge answers 503, in ms',
    1_000,
    10,
    60_000,
  ),
  DURABILITY: Type.Enum(['appended', 'replicated', 'synced'], {
    description:
      'What the edge waits for before a 202: Redis has the event, replicas have it too, or it is on the disk of Redis',
    default: 'appended',
  }),
  DURABILITY_REPLICAS: count('How many replicas must have an event where DURABILITY is replicated', 1, 1, 10),
  EDGE_HTTP: Type.Enum(['auto', 'uws', 'node'], {
    default: 'auto',
    description:
      'HTTP server of the edge: uWebSockets.js, node:http, or uWebSockets.js wherever it loads (auto)',
  }),
  REUSE_PORT: Type.Enum(['false', 'true'], {
    default: 'false',
    description:
      'Whether other edges may listen on the same PORT (Linux): each gets a share of the connections, and needs an ADMIN_PORT ' +
      'of its own',
  }),
  EDGE_MAX_CONNECTIONS: count(
    'Maximum open connections to the edge; a further one is closed at once. The limit of open files applies, too',
    10_000,
    1,
    1_000_000,
  ),
  EDGE_BUFFER_BYTES: count(
    'Maximum memory for bodies that arrive or wait for Redis, in bytes; beyond it the edge answers 503',
    67_108_864,
    1_048_576,
    4_294_967_296,
  ),
  BACKLOG_MAX_BYTES: count(
    'Maximum memory of entries that some group has not acknowledged, in bytes; near it the edge answers 503. 0: only maxmemory limits it',
    0,
    0,
    1_099_511_627_776,
  ),
  BACKLOG_MAX_AGE_MS: count(
    'Maximum wait of an entry for its acknowledgement, in ms; near it the edge answers 503. 0: no limit while there is room',
    0,
    0,
    2_592_000_000,
  ),
  REDIS_RESERVE_PERCENT: count(
    "Share of Redis' maxmemory that requests leave free for dead letters, acknowledgements and the feed; near it the edge answers 503",
    20,
    1,
    90,
  ),
  LEASE_MS: count(
    'Another worker claims the pending entries of a silent worker after this time, in ms',
    30_000,
    500,
    3_600_000,
  ),
  MAX_DELIVERIES: count(
    'An entry that this number of workers had and none acknowledged is dead-lettered: it crashes or hangs them',
    5,
    2,
    1_000,
  ),
  FEED_PARTITIONS: count(
    'Number of streams for the clean feed; after a change, a key may come twice within the retention',
    1,
    1,
    256,
  ),
  FEED_RETENTION_MS: count(
    'How long the clean feed keeps a record, and drops others with the same key, in ms',
    604_800_000,
    1_000,
    31_536_000_000,
  ),
  DEAD_LETTER_MAX_BYTES: count(
    'Maximum memory of dead letters in Redis, in bytes; beyond it the oldest are dropped, after a warning',
    1_073_741_824,
    65_536,
    1_099_511_627_776,
  ),
  DEAD_LETTER_MAX_AGE_MS: count(
    'How long dead letters are kept, in ms; older ones are dropped, after a warning',
    7_776_000_000,
    60_000,
    315_360_000_000,
  ),
  REPLAY_WINDOW_MS: count(
    'How long events stay in the log after their receipt, to be replayed into a sink, in ms',
    86_400_000,
    0,
    31_536_000_000,
  ),
  REPLAY_MAX_BYTES: count(
    'Maximum memory of the log in Redis, in bytes; beyond it acknowledged events are trimmed before REPLAY_WINDOW_MS',
    1_073_741_824,
    65_536,
    1_099_511_627_776,
  ),
  TRIM_EVERY_MS: count('Interval between trims of the log, in ms', 10_000, 100, 3_600_000),
  MEASURE_EVERY_MS: count(
    'Interval between readings of the figures of all groups, in ms',
    5_000,
    100,
    3_600_000,
  ),
  SINKS_NOT_RUN: Type.String({
    description: `Sinks that this installation does not run, comma-separated (of ${SINKS.join(', ')}): nothing is kept for them`,
    default: '',
  }),
  ...CXONE,
  SHUTDOWN_TIMEOUT_MS: count('Time to finish what is in flight after SIGTERM, in ms', 25_000, 100, 600_000),
  LOG_LEVEL: Type.Enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal'], {
    description: 'Minimum level of a log line that is printed',
    default: 'info',
  }),
  ...TELEMETRY,
  TRIBUTARY_HOME: text('Folder of `tributary dev` for data and downloads', '.tributary'),
  EMBEDDED_REDIS: choice('`tributary dev`: the only source of Redis', ['path', 'apt']),
  EMBEDDED_POSTGRES: choice('`tributary dev`: the only source of Postgres', ['npm', 'system']),
  EMBEDDED_MONGODB: choice('`tributary dev`: the only source of MongoDB', [
    'mongod',
    'memory-server',
    'secantusdb',
    'none',
  ]),
}
