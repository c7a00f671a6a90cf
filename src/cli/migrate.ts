import { Command } from 'commander'
import { ENTITIES } from '../../schemas/index.js'
import { environment, readConfig } from '../config.js'
import { migrateMongo } from '../sinks/mongo/migrate.js'
import { migratePostgres } from '../sinks/postgres/migrate.js'

/** `tributary migrate`: brings both stores to what this version needs. */
export function migrateCommand(): Command {
  return new Command('migrate')
    .description('Apply pending migrations and take up columns that an owner has added')
    .addHelpText(
      'after',
      `
Examples:
  $ tributary migrate                   both stores, as far as POSTGRES_URL and MONGODB_URL are set
  $ psql -c 'ALTER TABLE tributary.contacts ADD COLUMN vip boolean' && tributary migrate
                                        a new field: no code, and workers may go on running

Forward only, one migration a transaction, under a lock: any number may run at the same time.`,
    )
    .action(async () => {
      const config = readConfig(environment())
      const report = (line: string) => process.stdout.write(`${line}\n`)
      const signal = new AbortController().signal
      const { POSTGRES_URL, MONGODB_URL } = config
      if (POSTGRES_URL) await migratePostgres({ url: POSTGRES_URL, entities: ENTITIES, report, signal })
      if (MONGODB_URL) {
        const databases = { state: config.MONGODB_STATE_DATABASE, events: config.MONGODB_EVENTS_DATABASE }
        await migrateMongo({ url: MONGODB_URL, databases, entities: ENTITIES, report, signal })
      }
      if (!POSTGRES_URL && !MONGODB_URL) {
        throw new Error('Neither POSTGRES_URL nor MONGODB_URL is set: there is nothing to migrate')
      }
    })
}
