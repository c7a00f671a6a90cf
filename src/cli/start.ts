import { Command } from 'commander'
import type { Role } from '../../workers/role.js'
import { environment, readConfig } from '../config.js'
import { chooseHttp } from '../edge/http/choose.js'
import { startAdmin } from '../ops/admin.js'
import { allocateYoung } from '../ops/garbage.js'
import { openStatusPage } from '../ops/status.js'
import { createLifecycle } from '../shutdown.js'
import { createLog } from '../telemetry/log.js'

/** The roles of a process; each is a file of `workers/`. */
export const ROLES: readonly string[] = ['edge', 'postgres', 'mongo', 'feed', 'maintenance']

/** `tributary start <role...>`: the command that containers run. */
export function startCommand(): Command {
  return new Command('start')
    .description('Run one role or several in this process, until SIGTERM')
    .argument('<role...>', `any of ${ROLES.join(', ')}`)
    .addHelpText(
      'after',
      `
Examples:
  $ tributary start edge                take webhooks on PORT
  $ tributary start postgres            write events to Postgres; run any number of them
  $ tributary start feed                write valid events to the clean feed, once each
  $ tributary start maintenance         trim the log; one is enough, more are safe
  $ tributary start edge postgres mongo several roles in one process

On SIGTERM the process finishes what is in flight, within SHUTDOWN_TIMEOUT_MS; on a second SIGTERM it exits at once.
No acknowledged event is lost in either case.`,
    )
    .action(startRoles)
}

async function startRoles(names: string[]): Promise<void> {
  const unknown = names.filter((name) => !ROLES.includes(name))
  if (unknown.length > 0) {
    throw new Error(`There is no role ${unknown.join(', ')}: choose from ${ROLES.join(', ')}`)
  }
  allocateYoung()
  const config = readConfig(environment())
  const http = names.includes('edge') ? chooseHttp(config.EDGE_HTTP).name : undefined
  const log = createLog(config.LOG_LEVEL, names.join(','))
  const lifecycle = createLifecycle(config.SHUTDOWN_TIMEOUT_MS, log)
  // `tributary dev` has an IPC channel to its roles: a role reports on it that it runs, and stops when `dev` dies.
  process.once('disconnect', () => lifecycle.stop('the process that started this one is gone'))
  try {
    // Imported only here: OpenTelemetry's SDK takes 0.2 s to load, and no other command needs it.
    const { inFormatOf } = await import('../telemetry/prometheus.js')
    const { startTelemetry } = await import('../telemetry/sdk.js')
    const telemetry = startTelemetry(config, names, log)
    lifecycle.onClose('telemetry', () => telemetry.close())
    const admin = await startAdmin(config.HOST, config.ADMIN_PORT, lifecycle.stopping, names)
    const page = openStatusPage(config, ROLES, http)
    lifecycle.onClose('the status', () => page.close())
    lifecycle.onClose('the admin port', () => admin.close())
    admin.answer('/status', page.read)
    admin.answer('/metrics', async (accept) => inFormatOf(accept, await telemetry.metrics.text()))
    // All roles start at the same time: one that waits for its store does not delay the others.
    const starting = Array.from(new Set(names), async (name) => {
      const role = (await import(`../../workers/${name}.js`)) as { start: Role }
      await role.start({ config, log, lifecycle, admin, telemetry })
    })
    await Promise.all(starting)
    log.info({ adminPort: admin.port }, `Running ${names.join(', ')}`)
    process.send?.(admin.port)
  } catch (error) {
    if (!lifecycle.stopping.aborted) lifecycle.stop('the start failed', error)
  }
  process.exit(await lifecycle.closed)
}
