import { type Static, type TSchema, Type } from 'typebox'
import { Value } from 'typebox/value'
import { type Access, type Authentication, isOpen } from '../schemas/authentication.js'
import type { Contract } from '../schemas/contract.js'
import { CONTRACTS } from '../schemas/index.js'
import { chooseAccess } from './config/authentication.js'
import { contractVariable, contractVariables } from './config/contract.js'
import { wrongUrls } from './config/cxone.js'
import { readFiles } from './config/files.js'
import { GENERAL } from './config/general.js'
import { wrongTargets } from './config/otlp.js'
import { unknownSinks } from './config/sinks.js'
import { COLLECTOR, inapplicable } from './config/telemetry.js'
import { unknownNames } from './config/unknown.js'

/** The variables of each contract. */
const PER_CONTRACT: Record<string, TSchema> = Object.fromEntries(
  CONTRACTS.flatMap((contract) => Object.entries(contractVariables(contract))),
)

/** Every variable with its type, `default`, `description`, and whether it is `secret`. */
export const VARIABLES: Readonly<Record<string, TSchema>> = { ...GENERAL, ...COLLECTOR, ...PER_CONTRACT }

/** The configuration, by the names of the variables. For the access of a contract see {@link accessOf}. */
export type Config = Static<ReturnType<typeof general>> & Readonly<Record<string, unknown>>
function general() {
  return Type.Object(GENERAL)
}

/** The configuration is wrong. The message names every wrong and unknown variable, one a line. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/** The environment variables of a process. */
export type Environment = Readonly<Record<string, string | undefined>>

/** The process's own environment; no other code reads it. */
export function environment(): Environment {
  return process.env
}

/**
 * Reads the configuration. An empty variable counts as not set.
 * @throws ConfigError that names all mistakes at once
 */
export function readConfig(env: Environment): Config {
  const values: Record<string, unknown> = {}
  for (const [name, schema] of Object.entries(VARIABLES)) {
    const value = env[name] ? parse(env[name], schema) : 'default' in schema ? schema.default : undefined
    if (value !== undefined) values[name] = value
  }
  const unreadable = readFiles(Object.keys(VARIABLES), values)
  const choices = CONTRACTS.flatMap((contract) => chooseAccess(contract, values).mistakes)
  const mistakes = [
    ...unreadable,
    ...wrongValues(values),
    ...unknownSinks(values.SINKS_NOT_RUN),
    ...choices,
    ...wrongTargets(values),
    ...wrongUrls(values),
    ...inapplicable(env),
    ...unknownNames(Object.keys(env), VARIABLES),
  ]
  if (mistakes.length === 0) return values as Config
  const list = mistakes.map((line) => `  ${line}`).join('\n')
  throw new ConfigError(`The configuration is wrong:\n${list}\n\`tributary config\` lists every variable.`)
}

function wrongValues(values: Readonly<Record<string, unknown>>): string[] {
  // Checked one by one: the errors of a whole object end after the eighth.
  return Object.entries(values).flatMap(([name, value]) => {
    const schema = VARIABLES[name] ?? {}
    const shown = 'secret' in schema ? '' : `, not "${value}"`
    const allowed = Type.IsEnum(schema) ? `must be one of ${schema.enum.join(', ')}` : undefined
    return Value.Errors(schema, value).map(({ message }) => `${name} ${allowed ?? message}${shown}`)
  })
}

/**
 * The value of a variable that a role requires.
 * @throws ConfigError that says what the variable is for, with an example
 */
export function required(config: Config, name: 'REDIS_URL' | 'POSTGRES_URL' | 'MONGODB_URL'): string {
  const value = config[name]
  if (value !== undefined) return value
  const { description, examples } = GENERAL[name] as { description?: string; examples?: string[] }
  throw new ConfigError(`${name} is not set (${description}). For example: ${name}=${examples?.[0]}`)
}

/**
 * Who may post to each of these contracts.
 * @throws ConfigError that names every contract whose access is not configured
 */
export function accessOf(config: Config, contracts: readonly Contract[]): Map<Contract, Access> {
  const missing: string[] = []
  const all = new Map<Contract, Access>()
  for (const contract of contracts) {
    const { schemes, secrets } = chooseAccess(contract, config)
    const access: Access = { schemes, secrets }
    all.set(contract, access)
    if (secrets.length > 0 || isOpen(access)) continue
    const [name, auth] = [secretsVariable(contract.name), authVariable(contract.name)]
    missing.push(
      `${name} is not set. Set it to the secret of the senders of ${contract.name} webhooks, or set ${auth}=none if anybody may post.`,
    )
  }
  if (missing.length > 0) throw new ConfigError(missing.join('\n'))
  return all
}

/** Whether the configuration says who may post to a contract: its edge takes requests. */
export function isConfigured(config: Config, contract: Contract): boolean {
  const access = chooseAccess(contract, config)
  return access.secrets.length > 0 || isOpen(access)
}

/** The authentication of a contract's requests, whether or not its secrets are set. */
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
  const isInteger = Type.IsInteger(schema) && /^-?\d+$/.test(value)
  const isNumber = Type.IsNumber(schema) && /^-?\d+(\.\d+)?$/.test(value)
  return isInteger || isNumber ? Number(value) : value
}
