import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createRedis, type RedisClient } from '../../src/stream/redis.js'
import { collect } from './evidence.js'
import { strikeAll } from './faults.js'
import { type Fleet, type FleetOptions, MAX_CLOCK_SKEW_MS, PARTITIONS, startFleet } from './fleet.js'
import { Observer } from './observer.js'
import { describe, type KindName, makePlan, type Shape, type Strike } from './plan.js'
import { isSound, type Outcome } from './report.js'
import { FRESH, logLength, settledSince, troubles } from './settling.js'
import { newSent, type Sent, sendUntilAnswered } from './traffic.js'
import { judge } from './verdict.js'

/** What to run. */
export interface ChaosOptions extends Pick<FleetOptions, 'mutation' | 'env'> {
  readonly seed: number
  /** How long faults strike, in ms; starting and draining come on top. */
  readonly forMs: number
  /** Requests a second. */
  readonly rate: number
  readonly kinds: readonly KindName[]
  /** Faults in place of those that the seed gives. */
  readonly plan?: readonly Strike[]
  /** How long everything may take to be settled after the last fault, in ms. Default 2 minutes. */
  readonly drainMs?: number
  /** Whether the folder is to stay where the outcome is bad. */
  readonly keep: boolean
  readonly say: (line: string) => void
  /** Stops the faults early; the verdict comes all the same. */
  readonly signal: AbortSignal
}

/** Workers of each sink. */
const WORKERS = 2
const DRAIN_MS = 120_000
/** One run: traffic under faults, then silence, then the verdict. */
export async function runChaos(options: ChaosOptions): Promise<Outcome> {
  const { say, seed } = options
  say(`Seed ${seed}. Starting servers and processes ...`)
  const fleet = await startFleet({ ...options, workers: WORKERS })
  const redis = createRedis(fleet.redis.url, 'patient', () => undefined)
  const observer = new Observer(fleet.redis.url, PARTITIONS)
  let sound = false
  try {
    const outcome = await trial(options, fleet, redis, observer)
    if (options.mutation && fleet.mutated() === 0) {
      throw new Error(`No process has loaded ${options.mutation.file}: the mutation was not at work`)
    }
    sound = isSound(outcome)
    return outcome
  } finally {
    redis.disconnect()
    await observer.close()
    const kept = options.keep && !sound ? join(tmpdir(), `tributary-chaos-${seed}-${Date.now()}`) : undefined
    await fleet.close(kept)
    if (kept) say(`Logs and data are kept in ${kept}`)
  }
}

async function trial(
  options: ChaosOptions,
  fleet: Fleet,
  redis: RedisClient,
  observer: Observer,
): Promise<Outcome> {
  const { seed, rate, say, drainMs = DRAIN_MS } = options
  const plan = options.plan ?? planOf(options, fleet.shape)
  say(`The plan has ${plan.length} faults:\n${plan.map(describe).join('\n')}\n`)
  const sent = newSent()
  const stopping = new AbortController()
  const giveUp = new AbortController()
  const ends = { stopping: stopping.signal, giveUp: giveUp.signal }
  const traffic = sendUntilAnswered(sent, { url: fleet.url, seed, rate, ...ends })
  const struck = await strikeAll(plan, fleet, say, options.signal).finally(() => stopping.abort())
  say('The faults are over; waiting until everything is answered and settled ...')
  const late = sleep(drainMs, undefined, { signal: giveUp.signal }).then(
    () => giveUp.abort(),
    () => undefined,
  )
  await traffic
  const recoveredMs = await settledSince(struck.endedAt, redis, drainMs)
  const freshMs = await sendFresh(sent, fleet, redis, { ...options, ...ends })
  giveUp.abort()
  await late
  await observer.catchUp()
  const findings = await troubles(fleet, redis, recoveredMs, freshMs)
  const evidence = await collect(fleet, redis)
  const verdict = judge({ ...evidence, sent, observed: observer.entries, maxClockSkewMs: MAX_CLOCK_SKEW_MS })
  return {
    ...{ seed, sent, struck, recoveredMs, freshMs },
    accounts: verdict.accounts,
    findings: [...findings, ...verdict.findings],
    entries: { seen: observer.entries.size, trimmed: observer.entries.size - (await logLength(redis)) },
  }
}

function planOf({ seed, forMs, kinds }: ChaosOptions, shape: Shape): Strike[] {
  return makePlan({ seed, forMs, kinds, shape })
}

async function sendFresh(
  sent: Sent,
  { url }: Fleet,
  redis: RedisClient,
  { seed, giveUp }: { readonly seed: number; readonly giveUp: AbortSignal },
): Promise<number | undefined> {
  if (giveUp.aborted) return undefined
  const start = performance.now()
  const stopping = new AbortController()
  const options = { url, seed: seed + 1, rate: 100, count: FRESH.count, giveUp, stopping: stopping.signal }
  await sendUntilAnswered(sent, options)
  return await settledSince(start, redis, FRESH.withinMs)
}
