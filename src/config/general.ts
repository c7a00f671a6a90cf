import { Type } from 'typebox'
import { SINKS } from './sinks.js'
import { TELEMETRY } from './telemetry.js'
import { choice, count, text, url } from './types.js'

/** The variables that do not depend on a contract. */
export const GENERAL = {
  HOST: text('Address that the edge listens on', '0.0.0.0'),
  PORT: count('Port of the edge; 0 takes a free one', 8080, 0, 65_535),
  ADMIN_PORT: count(
    'Port of /healthz, /readyz, /status, /stats, /metrics, and of the edge /openapi.json; 0 takes a free one',
    9090,
    0,
    65_535,
  ),
  REDIS_URL: url(
    'Redis or Valkey >= 6.2, maxmemory-policy noeviction; of a Cluster any node, or several, comma-separated',
    'redis://127.0.0.1:6379',
  ),
  POSTGRES_URL: url('Database that the rows live in', 'postgres://tributary@127.0.0.1:5432/tributary'),
  MONGODB_URL: url('MongoDB that the documents live in', 'mongodb://127.0.0.1:27017'),
  MONGODB_STATE_DATABASE: text('MongoDB database of contacts, interactions and contact records', 'cxone'),
  MONGODB_EVENTS_DATABASE: text('MongoDB database of data-action events', 'cxone_events'),
  STREAM_PREFIX: text('First part of the Redis keys: <prefix>:{<partition>}:events', 'cxone'),
  PARTITIONS: count(
    'Streams that the events are spread over; may be raised: restart the workers first, then the edges',
    1,
    1,
    256,
  ),
  BATCH_MAX_EVENTS: count('Most events of a write; a worker has two writes under way', 500, 1, 100_000),
  BATCH_LINGER_MS: count('How long a worker waits for a fuller batch, in ms', 0, 0, 60_000),
  MAX_BODY_BYTES: count('Largest request body; over it 413', 1_048_576, 1_024, 16_777_216),
  MAX_CLOCK_SKEW_MS: count('How far from the future an event may come, in ms', 600_000, 0, 86_400_000),
  APPEND_TIMEOUT_MS: count(
    'How long Redis may take to keep an event before the edge answers 503, in ms',
    1_000,
    10,
    60_000,
  ),
  DURABILITY: Type.Enum(['appended', 'replicated', 'synced'], {
    description:
      'What a 202 waits for: that Redis has the event, that replicas have it too, that it is on its disk',
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
      'Whether further edges may listen on the same PORT (Linux): each has its share of the connections, and an ADMIN_PORT ' +
      'of its own',
  }),
  EDGE_MAX_CONNECTIONS: count(
    'Connections that may be open to the edge; one more is closed at once. Bounded by the limit of open files, too',
    10_000,
    1,
    1_000_000,
  ),
  EDGE_BUFFER_BYTES: count(
    'Memory of bodies that arrive or wait for Redis, in bytes; over it the edge answers 503',
    67_108_864,
    1_048_576,
    4_294_967_296,
  ),
  BACKLOG_MAX_BYTES: count(
    'Memory of entries that some group has not settled; near it the edge answers 503. 0: only maxmemory bounds it',
    0,
    0,
    1_099_511_627_776,
  ),
  BACKLOG_MAX_AGE_MS: count(
    'How long an entry may wait to be settled, in ms; near it the edge answers 503. 0: as long as there is room',
    0,
    0,
    2_592_000_000,
  ),
  REDIS_RESERVE_PERCENT: count(
    "Share of Redis' maxmemory that requests leave free for dead letters, acks and the feed; near it 503",
    20,
    1,
    90,
  ),
  LEASE_MS: count(
    'After this time another worker takes over what a silent one holds, in ms',
    30_000,
    500,
    3_600_000,
  ),
  MAX_DELIVERIES: count(
    'An entry that so many workers have had and none has settled is dead-lettered: it ends them',
    5,
    2,
    1_000,
  ),
  FEED_PARTITIONS: count(
    'Streams that the clean feed is spread over; changed, a key may come twice within the retention',
    1,
    1,
    256,
  ),
  FEED_RETENTION_MS: count(
    'How long the clean feed keeps a record, and takes no other of the same key, in ms',
    604_800_000,
    1_000,
    31_536_000_000,
  ),
  DEAD_LETTER_MAX_BYTES: count(
    'Memory that dead letters may take in Redis; over it the oldest are dropped, after a warning',
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
    'Memory that the log may take in Redis; over it settled events go earlier than REPLAY_WINDOW_MS',
    1_073_741_824,
    65_536,
    1_099_511_627_776,
  ),
  TRIM_EVERY_MS: count('From one trim of the log to the next, in ms', 10_000, 100, 3_600_000),
  MEASURE_EVERY_MS: count(
    'From one reading of the figures of all groups to the next, in ms',
    5_000,
    100,
    3_600_000,
  ),
  SINKS_NOT_RUN: Type.String({
    description: `Sinks that this installation does not run, comma-separated (of ${SINKS.join(', ')}): nothing is kept for them`,
    default: '',
  }),
  SHUTDOWN_TIMEOUT_MS: count('Time to finish what is in flight after SIGTERM, in ms', 25_000, 100, 600_000),
  LOG_LEVEL: Type.Enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal'], {
    description: 'Least severe log line that is printed',
    default: 'info',
  }),
  ...TELEMETRY,
  TRIBUTARY_HOME: text('Where `tributary dev` keeps data and downloads', '.tributary'),
  EMBEDDED_REDIS: choice('`tributary dev`: take Redis from here and nowhere else', ['path', 'apt']),
  EMBEDDED_POSTGRES: choice('`tributary dev`: take Postgres from here and nowhere else', ['npm', 'system']),
  EMBEDDED_MONGODB: choice('`tributary dev`: take MongoDB from here and nowhere else', [
    'mongod',
    'memory-server',
    'secantusdb',
    'none',
  ]),
}
