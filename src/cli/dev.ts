import { Command, InvalidArgumentError } from 'commander'
import { CONTRACTS } from '../../schemas/index.js'
import { authVariable, type Environment, environment, readConfig, secretsVariable } from '../config.js'
import { startRun } from '../dev/run.js'
import { printInvitation, runTraffic, type TrafficOptions } from '../dev/sample-traffic.js'
import { createLifecycle } from '../shutdown.js'
import { createLog } from '../telemetry/log.js'
import { parsePositive, parseWhole } from './command.js'

/** Time for the roles to finish after Ctrl-C, in ms: longer than their own time limit. */
const STOP_TIMEOUT_MS = 40_000

/** Options of the command. */
interface DevOptions extends TrafficOptions {
  readonly traffic: boolean
}

/** `tributary dev`: everything on one machine, with sample traffic. */
export function devCommand(): Command {
  return new Command('dev')
    .description('Run everything on this machine: servers, migrations, edge, workers, sample traffic')
    .option(
      '--for <duration>',
      'send for this time, wait for the workers, print the ledger and exit: 30s, 5m',
      parseDuration,
    )
    .option('--no-traffic', 'send nothing: only serve, and print curl lines that work')
    .option('--rate <requests>', 'sample requests per second', parsePositive, 50)
    .option('--seed <number>', 'seed of the sample traffic', parseWhole, Date.now() % 1_000_000)
    .addHelpText(
      'after',
      `
Examples:
  $ npm start                           sample traffic until Ctrl-C
  $ npm start -- --for 30s              the same for 30 s; exits 0 only if the ledger balances
  $ npm start -- --no-traffic           serve what you send
  $ PORT=8081 ADMIN_PORT=9190 npm start on other ports, where these are taken
  $ REDIS_URL=redis://... npm start     with a server of your own

A server without a URL is found on this machine or installed, and keeps its data in .tributary/ (TRIBUTARY_HOME).`,
    )
    .action(async (options: DevOptions) => {
      process.exitCode = await dev(options)
    })
}

async function dev(options: DevOptions): Promise<number> {
  const say = (line: string) => process.stdout.write(`${line}\n`)
  const env = withSecrets(environment())
  const config = readConfig(env)
  const lifecycle = createLifecycle(STOP_TIMEOUT_MS, createLog('silent', 'dev'))
  let exitCode = 0
  try {
    const run = await startRun(config, env, lifecycle, say)
    if (options.traffic) exitCode = await runTraffic(run, options)
    else await printInvitation(run)
    lifecycle.stop('done')
  } catch (error) {
    if (!lifecycle.stopping.aborted) {
      exitCode = 1
      process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    }
    lifecycle.stop('failed')
  }
  say('Stopping.')
  return (await lifecycle.closed) || exitCode
}

/** Gives each contract without secrets a simple secret for development, unless its authentication is `none`. */
function withSecrets(env: Environment): Environment {
  const secrets = CONTRACTS.filter(
    ({ name }) => !env[secretsVariable(name)] && env[authVariable(name)] !== 'none',
  ).map(({ name }) => [secretsVariable(name), `${name}-development-secret`])
  return { ...env, ...Object.fromEntries(secrets) }
}

function parseDuration(text: string): number {
  const [, amount, unit = 's'] = /^(\d+)(s|m|h)?$/.exec(text) ?? []
  if (!amount) throw new InvalidArgumentError('A duration is a number with s, m or h: 30s, 5m, 1h.')
  return Number(amount) * { s: 1_000, m: 60_000, h: 3_600_000 }[unit as 's' | 'm' | 'h']
}
