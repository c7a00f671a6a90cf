import { Command } from 'commander'
import type { Kind, Registered } from '../../cxone/registration/kinds.js'
import { type Caller, listRegistered, remove } from '../../cxone/registration/remote.js'
import { clip } from '../../text.js'
import { CommandError } from '../command.js'
import { readCxoneConfig, withCxone } from './connected.js'
import { kindOption, kindsOf } from './list.js'

interface RemoveOptions {
  readonly kind?: Kind
  readonly id?: readonly string[]
  readonly dryRun?: boolean
}

/** `tributary register remove`. */
export function removeCommand(): Command {
  return new Command('remove')
    .description('Remove webhooks and data actions from CXone, by name or id')
    .argument('[name...]', 'names of the ones to remove')
    .option('--id <id...>', 'ids of the ones to remove')
    .addOption(kindOption())
    .option('--dry-run', 'only print what would be removed')
    .addHelpText(
      'after',
      `
Examples:
  $ tributary register remove tributary-cdc --dry-run
  $ tributary register remove tributary-cdc tributary-data-action
  $ tributary register remove --id 7f3c --kind webhook      one of two with the same name

Removing what is not there is no error. CXone sends no more events of what is removed.`,
    )
    .action(async (names: string[], { kind, id: ids = [], dryRun = false }: RemoveOptions) => {
      if (names.length + ids.length === 0) throw new CommandError('Which ones? Give names, or ids with --id')
      const kinds = kindsOf(kind)
      const isMeant = ({ name, id }: Registered) => names.includes(name) || ids.includes(id)
      const count = await withCxone(readCxoneConfig(), kinds, (caller) =>
        removeAll(caller, kinds, isMeant, dryRun),
      )
      if (count === 0) process.stdout.write('CXone has none of them.\n')
    })
}

/** @returns how many there were */
async function removeAll(
  caller: Caller,
  kinds: readonly Kind[],
  isMeant: (registered: Registered) => boolean,
  dryRun: boolean,
): Promise<number> {
  let count = 0
  for (const kind of kinds) {
    for (const registered of (await listRegistered(caller, kind)).filter(isMeant)) {
      if (!dryRun) await remove(caller, registered)
      process.stdout.write(`${describe(registered)}: ${dryRun ? 'would be removed' : 'removed'}\n`)
      count++
    }
  }
  return count
}

function describe({ kind, id, name, url }: Registered): string {
  return `${kind} ${clip(name, 80)} (id ${clip(id, 80)}, ${clip(url, 100)})`
}
