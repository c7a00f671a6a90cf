import { Command, InvalidArgumentError, Option } from 'commander'
import type { Contract } from '../../schemas/contract.js'
import { CONTRACTS } from '../../schemas/index.js'
import { accessOf, environment, readConfig } from '../config.js'
import { curlLine } from '../dev/traffic/curl.js'
import { openConnections } from '../dev/traffic/post.js'
import { type SampleRequest, sampleRequests } from '../dev/traffic/samples.js'
import { type Delivery, type SendReport, sendTraffic } from '../dev/traffic/sender.js'
import { lifetimeSeconds, openContracts, type Senders } from '../dev/traffic/signing.js'
import { table } from '../text.js'
import { interruption, parsePositive, parseShare, parseWhole } from './command.js'

/** Attempts for each request. With their pauses they take about 20 s, longer than an edge takes to restart. */
const ATTEMPTS = 10
/** Most unexpected answers that are described. */
const DESCRIBED = 5

interface SendArguments {
  readonly url: string
  readonly contract: readonly string[]
  readonly count: number
  readonly rate: number
  readonly seed: number
  readonly late: number
  readonly duplicate: number
  readonly invalid: number
  readonly redeliver: boolean
  readonly print?: boolean
}

/** `tributary send`: sends sample requests to an edge. */
export function sendCommand(): Command {
  const names = CONTRACTS.map(({ name }) => name)
  return new Command('send')
    .description('Send sample requests of every contract to an edge, and check its answers')
    .option('--url <url>', 'URL of the edge', parseUrl, 'http://127.0.0.1:8080')
    .addOption(
      new Option('--contract <name...>', 'only these contracts').choices(names).default(names, 'all'),
    )
    .option('--count <requests>', 'number of requests', parseWhole, 100)
    .option('--rate <requests>', 'requests per second', parsePositive, 50)
    .option('--seed <number>', 'the same seed makes the same requests, except for their times', parseWhole, 1)
    .option(
      '--late <share>',
      'share of events that are minutes older than those sent before',
      parseShare,
      0.05,
    )
    .option('--duplicate <share>', 'share of bodies that are sent again', parseShare, 0.05)
    .option('--invalid <share>', 'share of requests that must be refused or dead-lettered', parseShare, 0.05)
    .option('--no-redeliver', 'do not try again after 429, 5xx or no answer')
    .option('--print', 'send nothing; print curl lines for bash')
    .addHelpText(
      'after',
      `
Examples:
  $ tributary send                                       100 requests in 2 s
  $ tributary send --contract cdc --count 5000 --rate 500
  $ tributary send --invalid 0 --duplicate 0.5           half of the requests are repeats
  $ tributary send --url https://edge.example.com        an edge elsewhere
  $ tributary send --print --count 3 | bash              the same with curl

Requests are signed by the first scheme of <CONTRACT>_AUTH with the first of <CONTRACT>_SECRETS (CDC_SECRETS, ...),
as the edge has them in its environment; with <CONTRACT>_AUTH=none they are not signed.`,
    )
    .action(async (options: SendArguments) => {
      const config = readConfig(environment())
      const senders = accessOf(
        config,
        CONTRACTS.filter(({ name }) => options.contract.includes(name)),
      )
      const unsigned = openContracts(senders)
      const requests = sampleRequests({ ...options, contracts: options.contract, unsigned })
      if (options.print) print(options.url, requests, senders)
      else await send(options, requests, senders)
    })
}

function print(url: string, requests: Iterable<SampleRequest>, senders: Senders): void {
  for (const request of requests) {
    const { contract, kind, expect } = request
    const lifetime = lifetimeSeconds(senders.get(contract))
    const validity = lifetime === undefined ? '' : `, if sent within ${lifetime} s`
    process.stdout.write(
      `# ${contract.name}, ${kind}: ${expect}${validity}\n${curlLine(url, request, senders)}\n`,
    )
  }
}

async function send(
  options: SendArguments,
  requests: Iterable<SampleRequest>,
  senders: Senders,
): Promise<void> {
  const { url, count, rate, redeliver } = options
  await reach(url)
  const signal = interruption()
  const answers = new Map<string, { contract: Contract; label: string; count: number }>()
  const progress = showProgress(count)
  const start = performance.now()
  const attempts = redeliver ? ATTEMPTS : 1
  const report = await sendTraffic({
    ...{ url, requests, rate, senders, signal, attempts },
    onAnswer({ request: { contract }, label }) {
      const cell = `${contract.name} ${label}`
      answers.set(cell, { contract, label, count: (answers.get(cell)?.count ?? 0) + 1 })
      progress.add(label)
    },
  })
  progress.end()
  const rows = [...answers.values()]
    .map((answer) => ({
      CONTRACT: answer.contract.name,
      ANSWER: answer.label,
      REQUESTS: String(answer.count),
    }))
    .sort((a, b) => `${a.CONTRACT} ${a.ANSWER}`.localeCompare(`${b.CONTRACT} ${b.ANSWER}`))
  process.stdout.write(`${table(['CONTRACT', 'ANSWER', 'REQUESTS'], rows, ['REQUESTS'])}\n`)
  process.stdout.write(`${summary(report, (performance.now() - start) / 1_000)}\n`)
  if (signal.aborted) throw new Error(`Interrupted after ${report.sent} of ${count} requests`)
  if (report.unexpected.length + report.unanswered > 0) throw new Error(describeFailures(report))
}

function summary({ sent, acknowledged, redelivered }: SendReport, seconds: number): string {
  const pace = `${sent} requests in ${seconds.toFixed(1)} s, ${Math.round(sent / seconds)} a second`
  const again = redelivered > 0 ? `, ${redelivered} sent again` : ''
  return `${pace}: ${acknowledged.length} accepted${again}`
}

function describeFailures({ unexpected, unanswered }: SendReport): string {
  const lines = unexpected.slice(0, DESCRIBED).map(describe)
  const more = unexpected.length > DESCRIBED ? [`... and ${unexpected.length - DESCRIBED} more`] : []
  const missing =
    unanswered > 0
      ? [`${unanswered} without an answer: the edge may or may not have accepted them. Is it running?`]
      : []
  const head = `${unexpected.length + unanswered} answers are not as expected:`
  return [head, ...[...lines, ...more, ...missing].map((line) => `  ${line}`)].join('\n')
}

function describe({ request, label }: Delivery): string {
  const hint = label.startsWith('401') ? '. Are the secrets here those of the edge?' : ''
  return `${request.contract.name}, ${request.kind}: ${label} instead of ${request.expect}${hint}`
}

/**
 * Checks that an edge answers, before each request is tried ten times in vain.
 * @throws Error with the remedy where nothing answers
 */
async function reach(url: string): Promise<void> {
  const connections = openConnections(url, 1, 5_000)
  try {
    await connections.post('/', {}, Buffer.alloc(0))
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? String(error)
    throw new Error(
      `No edge answers at ${url} (${why}). Start one (\`tributary dev\`, \`tributary start edge\`), or give its address with --url`,
      { cause: error },
    )
  } finally {
    connections.close()
  }
}

/** Writes progress to standard error: on a terminal it rewrites one line, elsewhere it writes a line every 5 s. */
function showProgress(count: number): { add(label: string): void; end(): void } {
  const [everyMs, end] = process.stderr.isTTY ? [200, '\r'] : [5_000, '\n']
  let [answered, accepted] = [0, 0]
  const show = () => void process.stderr.write(`${answered} of ${count} answered, ${accepted} accepted${end}`)
  const timer = setInterval(show, everyMs)
  return {
    add(label) {
      answered++
      if (label.startsWith('202')) accepted++
    },
    end() {
      clearInterval(timer)
      if (process.stderr.isTTY) process.stderr.write('\u001b[2K')
    },
  }
}

function parseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url && /^https?:$/.test(url.protocol)) return url.origin
  throw new InvalidArgumentError('It must look like http://127.0.0.1:8080.')
}
