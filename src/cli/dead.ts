import { Command } from 'commander'
import { discardCommand, discardedCommand } from './dead/discard.js'
import { exportCommand } from './dead/export.js'
import { listCommand } from './dead/list.js'
import { redriveCommand } from './dead/redrive.js'
import { showCommand } from './dead/show.js'

/** `tributary dead`: all commands for dead letters. */
export function deadCommand(): Command {
  return new Command('dead')
    .description('Find, inspect, redrive, discard or export dead letters')
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
  $ tributary dead show 0/1763780760125-0                  one letter, with its body
  $ tributary dead redrive --reason unknown_type --dry-run what would be delivered
  $ tributary dead discard --key c-1 --because 'a test'    remove them for good
  $ tributary dead export --format c2                      as JSON lines

docs/dead-letters.md explains the record, every reason and the budgets. These commands need REDIS_URL only.`,
    )
}
