import { setTimeout as sleep } from 'node:timers/promises'
import { Argument, Command, InvalidArgumentError } from 'commander'
import { newReplayTally, type ReplayTally } from '../pipeline/replay.js'
import { redisError, redisTime } from '../stream/redis.js'
import { readWindow, wholeSince } from '../stream/window.js'
import { clip, table } from '../text.js'
import { CommandError, interruption, parseMoment, parsePositive } from './command.js'
import { type Connected, withRedis } from './connection.js'
import { showProgress } from './progress.js'
import { openTarget, TARGETS, type Target, type TargetName } from './replay/target.js'

interface ReplayArguments {
  readonly from: string
  readonly to?: string
  readonly dryRun?: boolean
  readonly rate: number
}

/** `tributary replay <sink>`: writes events that are still in the log into a sink again. */
export function replayCommand(): Command {
  return new Command('replay')
    .description('Write events that are still in the log into a sink again')
    .addArgument(new Argument('<sink>', 'sink to write to').choices(TARGETS))
    .requiredOption('--from <time|id>', 'replay what was received since then', parsePoint)
    .option('--to <time|id>', 'and received until then; default: until now', parsePoint)
    .option('--dry-run', 'only print how many events would be written')
    .option('--rate <events>', 'most events per second', parsePositive, 5_000)
    .addHelpText(
      'after',
      `
Examples:
  $ tributary replay postgres --from 6h --dry-run          how many events of the last 6 h there are
  $ tributary replay postgres --from 2026-11-01T09:30:00Z  after restoring the backup of that time
  $ tributary replay mongo --from 2h --to 1h --rate 500
  $ tributary replay mongo --from 0/1763780760125-0        from this entry on, in all partitions

A time is an age (30s, 5m, 2h, 3d) or a date, and is compared with the time when an event was received; an id is what
the edge sent in the header Tributary-Entry. The log has what was received within REPLAY_WINDOW_MS, at most
REPLAY_MAX_BYTES.
It is safe while workers run, and may be repeated: newer state is not overwritten, and what is stored already does not
change. It takes no entries from the workers. Events that the sink refuses are counted by reason; they became dead
letters when they were first delivered, and are not dead-lettered again. Ctrl-C prints where to continue.
docs/replay.md has the details.`,
    )
    .action(async (sink: TargetName, options: ReplayArguments) => {
      await withRedis('read the log', (connected) => replay(sink, options, connected))
    })
}

async function replay(sink: TargetName, options: ReplayArguments, connected: Connected): Promise<void> {
  const { dryRun = false, from } = options
  const { redis, partitions } = connected
  const signal = interruption()
  const range = { from, to: options.to ?? String(await redisTime(redis)) }
  await warnOfTrimmed(connected, from)
  let trouble = ''
  const onRetry = (error: Error) => {
    trouble = `; ${error.message}`
  }
  const target = await openTarget(sink, connected, { dryRun, signal, onRetry })
  const tally = newReplayTally()
  let next = from
  const progress = showProgress(() => {
    const line = `${eventsOf(tally)} events, up to ${iso(Number.parseInt(next, 10))}${trouble}`
    trouble = ''
    return line
  })
  try {
    const rate = dryRun ? Number.POSITIVE_INFINITY : options.rate
    for await (const page of paced(readWindow(redis, partitions, range), { target, tally, rate, signal })) {
      next = page
    }
  } catch (error) {
    if (!signal.aborted) throw stopped(error, next)
  } finally {
    progress.end()
    await target.close()
  }
  process.stdout.write(`${describe(tally, sink, dryRun)}\n`)
  if (signal.aborted) throw new CommandError(`Interrupted. To go on: --from ${next}`)
}

/** Writes page after page to the target, at the given rate. @yields the point to continue from after each page */
async function* paced(
  pages: ReturnType<typeof readWindow>,
  { target, tally, rate, signal }: { target: Target; tally: ReplayTally; rate: number; signal: AbortSignal },
): AsyncGenerator<string> {
  const began = performance.now()
  let written = 0
  for await (const { entries, next } of pages) {
    // A step takes about a tenth of a second, so that a low rate is even and an interruption is noticed.
    const step = Math.max(1, Math.min(entries.length, Math.floor(rate / 10)))
    for (let start = 0; start < entries.length; start += step) {
      signal.throwIfAborted()
      written += await target.take(entries.slice(start, start + step), tally)
      const ahead = (written / rate) * 1_000 - (performance.now() - began)
      if (ahead > 0) await sleep(ahead, undefined, { signal }).catch(() => undefined)
    }
    yield next
  }
}

/** Adds the point to continue from to an error that is no bug: what was written stays. */
function stopped(error: unknown, next: string): unknown {
  const known = redisError(error, 'read the log')
  if (known === error && !(error instanceof Error && error.name === 'TransientError')) return error
  return new CommandError(`${(known as Error).message}. To go on: --from ${next}`, { cause: error })
}

async function warnOfTrimmed({ redis, partitions }: Connected, from: string): Promise<void> {
  const since = await wholeSince(redis, partitions)
  if (since === undefined || Number.parseInt(from, 10) >= since) return
  const why = 'was trimmed: REPLAY_WINDOW_MS, REPLAY_MAX_BYTES'
  process.stderr.write(`The log is whole from ${iso(since)} on; some of what was received before ${why}\n`)
}

function describe(tally: ReplayTally, sink: string, dryRun: boolean): string {
  const rows = [...tally.contracts].map(([CONTRACT, { entries, events }]) => ({
    CONTRACT,
    ENTRIES: String(entries),
    EVENTS: String(events),
  }))
  const { first, last, refused, examples, others } = tally
  if (first === undefined || last === undefined)
    return `There is nothing for ${sink} (${others} other entries)`
  const columns = ['CONTRACT', 'ENTRIES', 'EVENTS'] as const
  const span = `received from ${iso(first)} to ${iso(last)}`
  const lines = [
    table(columns, rows, columns.slice(1)),
    `${eventsOf(tally)} events ${dryRun ? 'would go' : 'went'} to ${sink}, ${span}; ${others} entries are not for it`,
    ...[...refused].map(([reason, count]) => `${count} of them refused: ${reason}`),
    ...examples.map((example) => `  ${clip(example, 200)}`),
  ]
  return lines.join('\n')
}

function eventsOf({ contracts }: ReplayTally): number {
  return [...contracts.values()].reduce((sum, { events }) => sum + events, 0)
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}

/** @returns an id, or its milliseconds alone. @throws InvalidArgumentError */
function parsePoint(text: string): string {
  const [, id] = /^(?:\d{1,3}\/)?(\d{1,16}(?:-\d{1,20})?)$/.exec(text) ?? []
  if (id !== undefined) return id
  try {
    return String(Math.floor(parseMoment(text)))
  } catch {
    throw new InvalidArgumentError(
      'It must be an age like 2h, a date like 2026-11-01T09:30:00Z, or an id like 0/1763780760125-0.',
    )
  }
}
