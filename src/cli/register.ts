import { Command } from 'commander'
import { CONTRACTS } from '../../schemas/index.js'
import { CXONE_EXAMPLES } from '../config/cxone.js'
import { isConfigured, secretsVariable } from '../config.js'
import { wantedBy } from '../cxone/registration/kinds.js'
import { CommandError } from './command.js'
import { readCxoneConfig } from './register/connected.js'
import { listCommand } from './register/list.js'
import { dataActionCommand, registerAndReport, webhookCommand } from './register/one.js'
import { removeCommand } from './register/remove.js'

/** `tributary register`: tells CXone to send what the configured contracts take. */
export function registerCommand(): Command {
  return (
    new Command('register')
      .description('Register webhooks and data actions in CXone: by default all that the contracts need')
      // With `enablePositionalOptions` of the program: the `--dry-run` of a subcommand is not taken for this one.
      .enablePositionalOptions()
      .allowExcessArguments()
      .option('--dry-run', 'only print what would change')
      .addCommand(webhookCommand())
      .addCommand(dataActionCommand())
      .addCommand(listCommand())
      .addCommand(removeCommand())
      .addHelpText(
        'after',
        `
Examples:
  $ tributary register --dry-run                       what would change in CXone
  $ PUBLIC_URL=${CXONE_EXAMPLES.PUBLIC_URL} tributary register
  $ tributary register webhook --name crm --url https://hooks.example.com/webhook/cxone
  $ tributary register list
  $ tributary register remove tributary-cdc

Without a subcommand it registers each contract that has secrets, or <CONTRACT>_AUTH=none, as tributary-<contract>, at
PUBLIC_URL and the path of the contract. It may be repeated: it creates, updates, or leaves what is there.
It needs CXONE_API_URL, CXONE_TOKEN_URL, CXONE_CLIENT_ID and CXONE_CLIENT_SECRET. docs/cxone.md has hosts and scopes.`,
      )
      .action(async ({ dryRun = false }: { dryRun?: boolean }, { args, commands }: Command) => {
        if (args.length > 0) {
          const names = commands.map((command) => command.name()).join(', ')
          throw new CommandError(
            `There is no "register ${args[0]}": choose from ${names}, or give none of them`,
          )
        }
        const config = readCxoneConfig()
        const { PUBLIC_URL } = config
        if (PUBLIC_URL === undefined) {
          const example = `PUBLIC_URL=${CXONE_EXAMPLES.PUBLIC_URL}`
          throw new CommandError(
            `PUBLIC_URL is not set: CXone must know where to post. For example: ${example}`,
          )
        }
        const contracts = CONTRACTS.filter(({ registration }) => registration !== undefined)
        const configured = contracts.filter((contract) => isConfigured(config, contract))
        for (const { name } of contracts.filter((contract) => !configured.includes(contract))) {
          process.stdout.write(
            `${name}: not configured (${secretsVariable(name)} is not set), so not registered\n`,
          )
        }
        if (configured.length === 0) {
          throw new CommandError(
            'No contract is configured. Set its secrets as for the edge, or <CONTRACT>_AUTH=none',
          )
        }
        await registerAndReport(wantedBy(configured, PUBLIC_URL), dryRun)
      })
  )
}
