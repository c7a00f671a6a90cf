import { Command, Option } from 'commander'
import { KINDS, type Kind, type Registered } from '../../cxone/registration/kinds.js'
import { listRegistered } from '../../cxone/registration/remote.js'
import { clip, table } from '../../text.js'
import { readCxoneConfig, withCxone } from './connected.js'

/** All kinds, or one. */
export function kindsOf(kind: Kind | undefined): readonly Kind[] {
  return kind ? [kind] : (Object.keys(KINDS) as Kind[])
}

/** The option for one kind. */
export function kindOption(): Option {
  return new Option('--kind <kind>', 'only this kind; default: both').choices(Object.keys(KINDS))
}

/** `tributary register list`. */
export function listCommand(): Command {
  return new Command('list')
    .description('Show the webhooks and data actions that CXone has')
    .addOption(kindOption())
    .option('--json', 'print JSON, one object per line, with all fields that CXone has')
    .addHelpText(
      'after',
      `
Examples:
  $ tributary register list
  $ tributary register list --kind webhook
  $ tributary register list --json | jq -r .name

With a client that has the scopes of one kind only, name the kind.`,
    )
    .action(async ({ kind, json = false }: { kind?: Kind; json?: boolean }) => {
      const kinds = kindsOf(kind)
      const all = await withCxone(readCxoneConfig(), kinds, async (caller) => {
        const found: Registered[] = []
        for (const one of kinds) found.push(...(await listRegistered(caller, one)))
        return found
      })
      process.stdout.write(json ? asJson(all) : `${asTable(all)}\n`)
    })
}

function asJson(all: readonly Registered[]): string {
  return all.map(({ kind, id, fields }) => `${JSON.stringify({ ...fields, kind, id })}\n`).join('')
}

function asTable(all: readonly Registered[]): string {
  if (all.length === 0) return 'CXone has none.'
  const rows = all.map(({ kind, id, name, url, fields }) => ({
    KIND: kind,
    ID: clip(id, 40),
    NAME: clip(name, 40),
    URL: clip(url, 100),
    EVENTS: Array.isArray(fields.events) ? clip(fields.events.join(','), 200) : '-',
    ACTIVE: fields.active === false ? 'no' : 'yes',
  }))
  return table(['KIND', 'ID', 'NAME', 'URL', 'EVENTS', 'ACTIVE'], rows)
}
