import { Command } from 'commander'
import { type Environment, environment, readConfig, VARIABLES } from '../config.js'
import { chooseHttp } from '../edge/http/choose.js'
import { table } from '../text.js'

/** A variable and its present value, fit to be seen by anybody. */
export interface Setting {
  readonly name: string
  readonly description: string
  /** The value that counts where the variable is not set; `null` where there is none. */
  readonly default: string | number | null
  /** Whether the environment sets it. */
  readonly set: boolean
  /** What counts now, secrets masked; `null` where it is neither set nor has a default. Of `auto`: what it chooses. */
  readonly value: string | number | null
}

/** `tributary config`: what can be configured, and how it is. */
export function configCommand(): Command {
  return new Command('config')
    .description('Show every variable: what it means, its default and its present value')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ tributary config                    a table
  $ PARTITIONS=many tributary config    names what is wrong, and exits with 1
  $ tributary config --json | jq -r '.[] | select(.set) | .name'

Secrets and passwords are never shown.`,
    )
    .action(({ json = false }: { json?: boolean }) => {
      const env = environment()
      const settings = readSettings(env)
      process.stdout.write(json ? `${JSON.stringify(settings, null, 2)}\n` : `${showSettings(settings)}\n`)
      // Only now: a wrong value is best seen beside the others.
      readConfig(env)
    })
}

/** Every variable in the order of its definition. */
export function readSettings(env: Environment): Setting[] {
  return Object.entries(VARIABLES).map(([name, schema]) => {
    const { description = '', default: standard = null } = schema as Described
    const given = env[name]
    const value = given && 'secret' in schema ? mask(name, given) : given || standard
    const counts = name === 'EDGE_HTTP' && value === 'auto' ? chooseHttp('auto').name : value
    return { name, description, default: standard, set: Boolean(given), value: counts }
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
/** `scheme://user:` and the last `@`: what stands between them is a password, even if it is not encoded. */
const CREDENTIALS = /^([\w+.-]+:\/\/[^:/?#@]*):.*@/
const SECRET_PARAMETER = /([?&][^=&]*(?:password|secret|token|key|properties)[^=&]*=)[^&]*/gi

function mask(name: string, value: string): string {
  const isUrl = name.endsWith('_URL') && /^[\w+.-]+:\/\//.test(value)
  return isUrl ? value.replace(CREDENTIALS, `$1:${MASK}@`).replace(SECRET_PARAMETER, `$1${MASK}`) : MASK
}
