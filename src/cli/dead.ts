import { Command } from 'commander'
import { discardCommand, discardedCommand } from './dead/discard.js'
import { exportCommand } from './dead/export.js'
import { listCommand } from './dead/list.js'
import { redriveCommand } from './dead/redrive.js'
import { showCommand } from './dead/show.js'

/** `tributary dead`: what could not be delivered. */
export function deadCommand(): Command {
  return new Command('dead')
    .description('Find dead letters, understand them, send them again')
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(redriveCommand())
    .addCommand(discardCommand())
    .addCommand(discardedCommand())
    .addCommand(exportCommand())
    .addHelpText(
      'after',
      `
Examples:
  $ tributary dead list --since 2h                         counts by reason, then the newest
  $ tributary dead show 0/1763780760125-0                  one of them, with its body
  $ tributary dead redrive --reason unknown_type --dry-run what would become of them
  $ tributary dead discard --key c-1 --because 'a test'    remove them for good
  $ tributary dead export --format c2                      as JSON lines

docs/dead-letters.md explains the record, every reason and the budgets. Asks REDIS_URL only.`,
    )
}
