import { Command } from 'commander'
import { type Environment, environment, readConfig, VARIABLES } from '../config.js'
import { chooseHttp } from '../edge/http/choose.js'
import { table } from '../text.js'

/** A variable and its present value, with secrets masked. */
export interface Setting {
  readonly name: string
  readonly description: string
  /** The value that is used where the variable is not set; `null` where there is none. */
  readonly default: string | number | null
  /** Whether the environment sets it. */
  readonly set: boolean
  /** The value in use, secrets masked; `null` where it is not set and has no default. For `auto`, what it chooses. */
  readonly value: string | number | null
}

/** `tributary config`: all variables and their present values. */
export function configCommand(): Command {
  return new Command('config')
    .description('Show every variable: what it means, its default and its present value')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ tributary config                    a table
  $ PARTITIONS=many tributary config    prints what is wrong and exits with 1
  $ tributary config --json | jq -r '.[] | select(.set) | .name'

Secrets and passwords are never shown.`,
    )
    .action(({ json = false }: { json?: boolean }) => {
      const env = environment()
      const settings = readSettings(env)
      process.stdout.write(json ? `${JSON.stringify(settings, null, 2)}\n` : `${showSettings(settings)}\n`)
      // Checked after printing, so that a wrong value is seen beside the others.
      readConfig(env)
    })
}

/** All variables, in the order of their definition. */
export function readSettings(env: Environment): Setting[] {
  return Object.entries(VARIABLES).map(([name, schema]) => {
    const { description = '', default: defaultValue = null } = schema as Described
    const given = env[name]
    const value = given && 'secret' in schema ? mask(name, given) : given || defaultValue
    const used = name === 'EDGE_HTTP' && value === 'auto' ? chooseHttp('auto').name : value
    return { name, description, default: defaultValue, set: Boolean(given), value: used }
  })
}

interface Described {
  readonly description?: string
  readonly default?: string | number
}

function showSettings(settings: readonly Setting[]): string {
  const rows = settings.map((setting) => ({
    ' ': setting.set ? '*' : '',
    VARIABLE: setting.name,
    VALUE: String(setting.value ?? '-'),
    DEFAULT: String(setting.default ?? '-'),
    MEANING: setting.description,
  }))
  const chosen = settings.some(({ name, set }) => name === 'EDGE_HTTP' && set)
  const notice = chosen ? undefined : chooseHttp('auto').notice
  const lines = [
    table([' ', 'VARIABLE', 'VALUE', 'DEFAULT', 'MEANING'], rows),
    '* set by the environment',
    notice,
  ]
  return lines.filter((line) => line !== undefined).join('\n')
}

const MASK = '***'
/** Matches from `scheme://user:` to the last `@`: the text between is a password, even if it is not encoded. */
const CREDENTIALS = /^([\w+.-]+:\/\/[^:/?#@]*):.*@/
const SECRET_PARAMETER = /([?&][^=&]*(?:password|secret|token|key|properties)[^=&]*=)[^&]*/gi

function mask(name: string, value: string): string {
  const isUrl = name.endsWith('_URL') && /^[\w+.-]+:\/\//.test(value)
  return isUrl ? value.replace(CREDENTIALS, `$1:${MASK}@`).replace(SECRET_PARAMETER, `$1${MASK}`) : MASK
}
