import { Command } from 'commander'
import { MANIFEST } from '../manifest.js'
import { throwsErrors } from './command.js'
import { configCommand } from './config.js'
import { deadCommand } from './dead.js'
import { devCommand } from './dev.js'
import { migrateCommand } from './migrate.js'
import { openapiCommand } from './openapi.js'
import { registerCommand } from './register.js'
import { replayCommand } from './replay.js'
import { sendCommand } from './send.js'
import { startCommand } from './start.js'
import { statusCommand } from './status.js'

/** The command line `tributary` with all its commands. */
export function createProgram(): Command {
  const { version, description } = MANIFEST
  const program = new Command('tributary')
    .description(description)
    .version(version)
    .enablePositionalOptions()
    .addCommand(devCommand())
    .addCommand(startCommand())
    .addCommand(migrateCommand())
    .addCommand(sendCommand())
    .addCommand(statusCommand())
    .addCommand(deadCommand())
    .addCommand(replayCommand())
    .addCommand(registerCommand())
    .addCommand(openapiCommand())
    .addCommand(configCommand())
    .addHelpText(
      'after',
      `
Examples:
  $ tributary dev                       everything on this machine, with sample traffic
  $ tributary config                    every variable, its meaning and its present value
  $ tributary start edge                one role, as a container runs it
  $ tributary status --watch 2          how far each sink is behind, every 2 s
  $ tributary dead list                 the events that could not be delivered, and why
  $ tributary help send                 the help of one command

Configuration comes from environment variables.
Exit codes: 0 done, 1 not done (the message says why), 70 a bug.`,
    )
  return throwsErrors(program)
}
