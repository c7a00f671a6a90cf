import { existsSync, readFileSync } from 'node:fs'
import { Command } from 'commander'
import { throwsErrors } from './command.js'
import { configCommand } from './config.js'
import { devCommand } from './dev.js'
import { migrateCommand } from './migrate.js'
import { sendCommand } from './send.js'
import { startCommand } from './start.js'
import { statusCommand } from './status.js'

/** The command line `tributary` with all its commands. */
export function createProgram(): Command {
  const { version, description } = readManifest()
  const program = new Command('tributary')
    .description(description)
    .version(version)
    .addCommand(devCommand())
    .addCommand(startCommand())
    .addCommand(migrateCommand())
    .addCommand(sendCommand())
    .addCommand(statusCommand())
    .addCommand(configCommand())
    .addHelpText(
      'after',
      `
Examples:
  $ tributary dev                       everything on this machine, with sample traffic
  $ tributary config                    every variable, what it means and what it is now
  $ tributary start edge                one role, as a container runs it
  $ tributary status --watch 2          how far each sink is, every 2 s
  $ tributary help send                 all about one command

Configuration comes from environment variables.
Exit codes: 0 done, 1 not done and the message says why, 70 a bug.`,
    )
  return throwsErrors(program)
}

interface Manifest {
  readonly version: string
  readonly description: string
}

/** The package's own manifest: the sources are two folders below it, the compiled files three. */
function readManifest(): Manifest {
  const places = ['../../package.json', '../../../package.json'].map((path) => new URL(path, import.meta.url))
  const manifest = places.find((place) => existsSync(place))
  if (!manifest)
    throw new Error('package.json is missing: the installation is not complete. Install it again')
  return JSON.parse(readFileSync(manifest, 'utf8')) as Manifest
}
