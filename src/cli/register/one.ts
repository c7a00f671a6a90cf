import { Command, InvalidArgumentError } from 'commander'
import { CONTRACTS } from '../../../schemas/index.js'
import type { Wanted } from '../../cxone/registration/kinds.js'
import { registerAll } from '../../cxone/registration/register.js'
import { readCxoneConfig, withCxone } from './connected.js'
import { describeStep } from './report.js'

interface Named {
  readonly name: string
  readonly url: string
  readonly dryRun?: boolean
}

/** Registers all of these, and prints each when it is done. */
export async function registerAndReport(wanted: readonly Wanted[], dryRun: boolean): Promise<void> {
  const kinds = [...new Set(wanted.map(({ kind }) => kind))]
  await withCxone(readCxoneConfig(), kinds, async (caller) => {
    for await (const step of registerAll(caller, wanted, dryRun)) {
      process.stdout.write(describeStep(step, dryRun))
    }
  })
}

/** `tributary register webhook`. */
export function webhookCommand(): Command {
  const events = [
    ...new Set(
      CONTRACTS.flatMap(({ registration }) =>
        registration?.kind === 'webhook' ? [...registration.events] : [],
      ),
    ),
  ]
  return named(new Command('webhook').description('Register one webhook'))
    .option('--events <type...>', 'event types to send', events)
    .addHelpText(
      'after',
      `
Examples:
  $ tributary register webhook --name crm --url https://hooks.example.com/webhook/cxone
  $ tributary register webhook --name crm --url https://hooks.example.com/webhook/cxone --events contact.created contact.updated
  $ tributary register webhook --name crm --url https://hooks.example.com/webhook/cxone --dry-run

A webhook with this name, else one with this URL, is updated where it differs. The client needs the scopes
webhooks:read and webhooks:write.`,
    )
    .action(async ({ name, url, events, dryRun = false }: Named & { events: string[] }) => {
      const types = events.flatMap((list) => list.split(',')).filter((type) => type !== '')
      await registerAndReport([{ kind: 'webhook', name, url, events: types }], dryRun)
    })
}

/** `tributary register data-action`. */
export function dataActionCommand(): Command {
  return named(new Command('data-action').description('Register one data action'))
    .option('--description <text>', 'what CXone shows beside the name', 'Events for Tributary')
    .addHelpText(
      'after',
      `
Examples:
  $ tributary register data-action --name surveys --url https://hooks.example.com/webhook/cxone-dataaction
  $ tributary register data-action --name surveys --url https://hooks.example.com/webhook/cxone-dataaction --dry-run

A data action with this name, else one with this URL, is updated where it differs. Its format is JSON. The client needs
the scopes dataaction:read and dataaction:write.`,
    )
    .action(async ({ name, url, description, dryRun = false }: Named & { description: string }) => {
      await registerAndReport([{ kind: 'data-action', name, url, description }], dryRun)
    })
}

function named(command: Command): Command {
  return command
    .requiredOption('--name <name>', 'name in CXone')
    .requiredOption('--url <url>', 'URL that CXone posts to', parseUrl)
    .option('--dry-run', 'only print what would change')
}

function parseUrl(text: string): string {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text
  throw new InvalidArgumentError('It must look like https://hooks.example.com/webhook/cxone.')
}
