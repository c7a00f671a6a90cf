import { type Command, CommanderError, InvalidArgumentError } from 'commander'
import { ConfigError } from '../config.js'
import { TransientError } from '../errors.js'
import { SchemaError } from '../sinks/postgres/errors.js'

/** sysexits' EX_SOFTWARE, for a bug. Exit code 1 is for what the user can correct, here or on a server. */
const BUG = 70

/** A command cannot do what the user asked for; the message is for the user. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
}

/**
 * Runs the command line.
 * @param create makes the program, with all its commands
 * @param args arguments without `node` and the script
 * @returns the exit code; a command may also set `process.exitCode`
 */
export async function runProgram(create: () => Command, args: readonly string[]): Promise<number> {
  try {
    await create().parseAsync(args, { from: 'user' })
    return 0
  } catch (error) {
    // Commander has printed the error already. `--help` ends this way too.
    if (error instanceof CommanderError) return error.exitCode
    const expected = isExpected(error)
    process.stderr.write(`${expected ? `Error: ${error.message}` : describeBug(error)}\n`)
    return expected ? 1 : BUG
  }
}

const FOR_PEOPLE = [CommandError, ConfigError, SchemaError, TransientError]

/**
 * Whether an error is meant for the user. Those are of our own classes, or a plain Error with a message; an error of
 * the language, of Node or of a driver is a subclass or has a code.
 */
function isExpected(error: unknown): error is Error {
  if (FOR_PEOPLE.some((own) => error instanceof own)) return true
  return error instanceof Error && error.constructor === Error && !('code' in error)
}

function describeBug(error: unknown): string {
  const stack = error instanceof Error ? error.stack : String(error)
  return `${stack}\nThis is a bug in tributary. Please report it with the lines above.`
}

/** Makes a command and its subcommands throw errors: a command does not inherit this setting from its program. */
export function throwsErrors(command: Command): Command {
  command.exitOverride().showSuggestionAfterError()
  for (const subcommand of command.commands) throwsErrors(subcommand)
  return command
}

/** A signal that the first SIGINT or SIGTERM aborts; the second ends the process. */
export function interruption(): AbortSignal {
  const controller = new AbortController()
  const abort = () => {
    process.off('SIGINT', abort).off('SIGTERM', abort)
    controller.abort(new Error('interrupted'))
  }
  process.on('SIGINT', abort).on('SIGTERM', abort)
  return controller.signal
}

/** Reads a whole number. @throws InvalidArgumentError for anything else */
export function parseWhole(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.')
  return Number(text)
}

/** Reads a number above 0. @throws InvalidArgumentError for anything else */
export function parsePositive(text: string): number {
  const number = Number(text)
  if (!(number > 0 && number < 1e9)) throw new InvalidArgumentError('It must be a number above 0.')
  return number
}

/** Reads a share, 0 to 1. @throws InvalidArgumentError for anything else */
export function parseShare(text: string): number {
  const share = text === '' ? Number.NaN : Number(text)
  if (!(share >= 0 && share <= 1)) throw new InvalidArgumentError('It must be a share from 0 to 1: 0.05.')
  return share
}

const UNITS = new Map([
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
])

/** Reads a date, or an age before now. @returns milliseconds since 1970 @throws InvalidArgumentError for anything else */
export function parseMoment(text: string): number {
  const [, count, unit = ''] = /^(\d{1,9})([smhd])$/.exec(text) ?? []
  if (count !== undefined) return Math.max(0, Date.now() - Number(count) * (UNITS.get(unit) ?? 0))
  const moment = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN
  if (moment >= 0) return moment
  throw new InvalidArgumentError('It must be an age like 2h or a date like 2026-11-22T09:30:00Z.')
}
