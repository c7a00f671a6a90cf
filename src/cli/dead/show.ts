import { isUtf8 } from 'node:buffer'
import { Command } from 'commander'
import { browse, withBodies } from '../../stream/dead-letters/browse.js'
import type { DeadLetterRecord } from '../../stream/dead-letters/record.js'
import { clip } from '../../text.js'
import { CommandError } from '../command.js'
import { withRedis } from '../connection.js'
import { FORMATS, iso, meaningOf } from './formats.js'
import { selectionOf } from './selection.js'

/** `tributary dead show`. */
export function showCommand(): Command {
  return new Command('show')
    .description('Show all fields of one dead letter, with its body')
    .argument('<id>', 'as `tributary dead list` prints it')
    .option('--hex', 'print the body as a hex dump, even if it is text')
    .option('--json', 'print JSON, as export does')
    .addHelpText(
      'after',
      `
Examples:
  $ tributary dead show 0/1763780760125-0
  $ tributary dead show 0/1763780760125-0 --hex
  $ tributary dead show 0/1763780760125-0 --json | jq -r .body

A body that is not UTF-8, or has control characters, is shown as a hex dump.`,
    )
    .action(async (id: string, { hex = false, json }: { hex?: boolean; json?: boolean }) => {
      const letter = await withRedis('work on dead letters', async ({ redis, partitions }) => {
        for await (const [found] of withBodies(
          redis,
          partitions,
          browse(redis, partitions, selectionOf({}, [id])),
        ))
          if (found) return found
        throw new CommandError(
          `There is no dead letter ${id}. Was it redriven or discarded, or does PARTITIONS differ?`,
        )
      })
      process.stdout.write(json ? `${JSON.stringify(FORMATS.jsonl(letter))}\n` : describe(letter, hex))
    })
}

function describe(letter: DeadLetterRecord, hex: boolean): string {
  const about = letter.index === undefined ? 'the request as a whole' : `event ${letter.index} of its request`
  const lines: [string, string][] = [
    ['id', letter.id],
    ['status', letter.status],
    ['reason', `${letter.reason}: ${meaningOf(letter.reason)}`],
    ['message', letter.message],
    ...letter.errors.map(({ loc, msg, type }): [string, string] => [
      '',
      `/${loc.join('/')} ${msg} (${type})`,
    ]),
    ['sink', letter.sink],
    ['contract', letter.source],
    ['about', about],
    ['event id', letter.event || '-'],
    ['entry', letter.entry || '- (refused by the edge)'],
    ['delivery', letter.delivery || '-'],
    ['trace', letter.trace || '-'],
    ['received', iso(letter.receivedAt)],
    ['died', `${iso(letter.at)}, first ${iso(letter.firstAt)}`],
    ['attempts', String(letter.attempts)],
    ['version', letter.version],
    ['body', `${letter.bytes} bytes`],
  ]
  const head = lines.map(([name, value]) => `${name.padEnd(10)}${clip(value, 4_000)}`).join('\n')
  return `${head}\n\n${hex || !isPrintable(letter.body) ? hexDump(letter.body) : letter.body.toString()}\n`
}

function isPrintable(body: Buffer): boolean {
  return isUtf8(body) && !/[^\P{Cc}\t\n\r]/u.test(body.toString())
}

/** Each line has the offset, 16 bytes in hex, and the same bytes as ASCII where printable. */
export function hexDump(bytes: Buffer): string {
  const lines: string[] = []
  for (let start = 0; start < bytes.length; start += 16) {
    const part = bytes.subarray(start, start + 16)
    const hex = part.toString('hex').replace(/../g, '$& ').padEnd(48)
    const text = part.toString('latin1').replace(/[^ -~]/g, '.')
    lines.push(`${start.toString(16).padStart(8, '0')}  ${hex} |${text}|`)
  }
  return lines.join('\n')
}
