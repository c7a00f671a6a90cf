import { createWriteStream } from 'node:fs'
import { Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Command, Option } from 'commander'
import { browse, withBodies } from '../../stream/dead-letters/browse.js'
import { CommandError } from '../command.js'
import { withRedis } from '../connection.js'
import { FORMATS, type Format } from './formats.js'
import { SELECTION_HELP, type SelectionOptions, selectionOf, withSelection } from './selection.js'

interface ExportOptions extends SelectionOptions {
  readonly format: Format
  readonly output?: string
}

/** `tributary dead export`. */
export function exportCommand(): Command {
  const formats = Object.keys(FORMATS)
  return withSelection(new Command('export'))
    .description('Write dead letters as JSON, one per line; the letters are not removed')
    .argument('[id...]', 'only these letters')
    .addOption(new Option('--format <name>', 'form of a line').choices(formats).default('jsonl'))
    .option('--output <file>', 'write to this new file instead of standard output')
    .addHelpText(
      'after',
      `
Examples:
  $ tributary dead export --output letters.jsonl
  $ tributary dead export --contract data-action --format c2
  $ tributary dead export --contract validated --format c5 | jq .validation_errors

jsonl has all fields. c2 and c5 are the records that the integrations publish:
  c2  timestamp, original_payload, error_message, retry_count, status
  c5  dlq_timestamp, original_correlation_id, validation_errors, original_payload, consumer_version
A payload that is not UTF-8 is written as "base64:" and its base64.

${SELECTION_HELP}`,
    )
    .action(async (ids: string[], { format, output, ...options }: ExportOptions) => {
      const selection = selectionOf(options, ids)
      await withRedis('work on dead letters', async ({ redis, partitions }) => {
        const chunks = withBodies(redis, partitions, browse(redis, partitions, selection))
        const lines = async function* () {
          for await (const letters of chunks)
            for (const letter of letters) yield `${JSON.stringify(FORMATS[format](letter))}\n`
        }
        await write(lines(), output)
      })
    })
}

async function write(lines: AsyncIterable<string>, file: string | undefined): Promise<void> {
  if (file === undefined) {
    for await (const line of lines) if (!process.stdout.write(line)) await drained(process.stdout)
    return
  }
  try {
    await pipeline(Readable.from(lines), createWriteStream(file, { flags: 'wx' }))
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException
    if (syscall !== 'open') throw error
    throw new CommandError(`${file} cannot be written (${code}): name a file that does not exist yet`, {
      cause: error,
    })
  }
}

function drained(stream: Writable): Promise<void> {
  return new Promise((resolve) => stream.once('drain', resolve))
}
