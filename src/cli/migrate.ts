import { Command } from 'commander'
import { ENTITIES } from '../../schemas/index.js'
import { environment, readConfig } from '../config.js'
import { migrateMongo } from '../sinks/mongo/migrate.js'
import { migratePostgres } from '../sinks/postgres/migrate/migrate.js'

/** `tributary migrate`: brings both stores to the schema that this version needs. */
export function migrateCommand(): Command {
  return new Command('migrate')
    .description('Apply pending migrations, and adopt columns that the owner of a table has added')
    .option('--dry-run', 'only say what would be done; only for Postgres')
    .option('--drop-views', "drop the readers' views of Postgres, so that types of columns can be altered")
    .addHelpText(
      'after',
      `
Examples:
  $ tributary migrate                   each store whose URL is set: POSTGRES_URL, MONGODB_URL
  $ psql -c 'ALTER TABLE tributary.contacts ADD COLUMN vip boolean' && tributary migrate
                                        a new field: needs no code, and workers may run meanwhile
  $ tributary migrate --drop-views &&
    psql -c 'ALTER TABLE tributary.contacts ALTER score TYPE numeric(14,4)' && tributary migrate
                                        another type: Postgres refuses it while a view reads the column; the last
                                        step makes the views again, with their owner, options, grants and comments
  $ tributary migrate --drop-views --dry-run
                                        which views, what is kept of them, and what depends on them

Migrations go forward only. Each runs under a lock, so any number of processes may migrate at the same time; in
Postgres each is one transaction.`,
    )
    .action(async ({ dryRun = false, dropViews = false }: { dryRun?: boolean; dropViews?: boolean }) => {
      const config = readConfig(environment())
      const report = (line: string) => process.stdout.write(`${line}\n`)
      const signal = new AbortController().signal
      const { POSTGRES_URL, MONGODB_URL } = config
      if (POSTGRES_URL) {
        await migratePostgres({ url: POSTGRES_URL, entities: ENTITIES, report, signal, dryRun, dropViews })
      }
      if (dryRun || dropViews) {
        if (!POSTGRES_URL)
          throw new Error('POSTGRES_URL is not set: --dry-run and --drop-views are for Postgres')
        return
      }
      if (MONGODB_URL) {
        const databases = { state: config.MONGODB_STATE_DATABASE, events: config.MONGODB_EVENTS_DATABASE }
        await migrateMongo({ url: MONGODB_URL, databases, entities: ENTITIES, report, signal })
      }
      if (!POSTGRES_URL && !MONGODB_URL) {
        throw new Error('Neither POSTGRES_URL nor MONGODB_URL is set: there is nothing to migrate')
      }
    })
}
