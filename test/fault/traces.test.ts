import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { CONTRACTS } from '../../schemas/index.js'
import { type RoleProcess, readStats } from '../../src/dev/roles.js'
import { openClient } from '../../src/stream/client.js'
import { type Manners, type OtlpReceiver, startOtlpReceiver } from '../support/otlp.js'
import { createRig } from '../support/rig.js'
import { byTrace, entryOf, gaps, loose, orphans, requestTraces, type Trace } from '../support/traces.js'

const SINKS = ['postgres', 'mongo'] as const

/** A rig whose every request is traced, to a receiver of its own. */
async function traced(more: Record<string, string> = {}) {
  const [rig, otlp] = await Promise.all([createRig(), startOtlpReceiver()])
  onTestFinished(() => otlp.close())
  const env = { TRACE_SAMPLE_RATIO: '1', OTEL_EXPORTER_OTLP_ENDPOINT: otlp.url, ...more }
  const start = (role: 'edge' | 'postgres' | 'mongo') => rig.start(role, env)
  return { rig, otlp, start }
}

/** Ends processes in order, so that they send what spans they have. */
async function stop(...roles: RoleProcess[]): Promise<void> {
  for (const role of roles) role.kill('SIGTERM')
  expect(await Promise.all(roles.map((role) => role.exited))).toEqual(roles.map(() => 0))
}

function tracesByEntry(otlp: OtlpReceiver) {
  return new Map(requestTraces(otlp.spans).map((trace) => [entryOf(trace), trace]))
}

test('each of 1,000 sampled events is one connected trace, from POST to commit in each sink', async () => {
  const { rig, otlp, start } = await traced()
  const roles = await Promise.all([start('edge'), start('postgres'), start('mongo')])
  const { acknowledged } = await rig.send({ rate: 250, seconds: 5, seed: 71 })
  expect(acknowledged.length).toBeGreaterThanOrEqual(1_000)
  await rig.drain()
  await stop(...roles)

  const traces = tracesByEntry(otlp)
  const all = byTrace(otlp.spans)
  const problems = acknowledged.flatMap((entry) => {
    const trace = traces.get(entry)
    return trace ? gaps(trace, SINKS, all).map((gap) => `${entry} ${gap}`) : [`${entry} has no trace`]
  })
  expect(problems).toEqual([])
  expect(orphans(otlp.spans)).toEqual([])
  expect(loose(otlp.spans)).toEqual([])
  const twice = otlp.spans.length - new Set(otlp.spans.map(({ spanId }) => spanId)).size
  expect(twice).toBe(0)
})

test('a worker that is killed leaves no orphans, and the worker that claims its entries makes the whole trace', async () => {
  const { rig, otlp, start } = await traced({ BATCH_MAX_EVENTS: '20' })
  const [edge, first, mongo] = await Promise.all([start('edge'), start('postgres'), start('mongo')])
  const traffic = rig.send({ rate: 150, seconds: 8, seed: 72 })
  // The spans of the last seconds are still with the process that dies.
  await sleep(6_500)
  first.kill('SIGKILL')
  await first.exited
  const redis = await openClient(rig.redis.url, 'patient', () => undefined)
  onTestFinished(() => redis.disconnect())
  const held = (await redis.xpending('cxone:{0}:events', 'postgres', '-', '+', 1_000)) as [string][]
  const second = await start('postgres')
  const { acknowledged } = await traffic
  await rig.drain()
  await stop(edge, mongo, second)

  expect(orphans(otlp.spans)).toEqual([])
  expect(loose(otlp.spans)).toEqual([])
  const traces = tracesByEntry(otlp)
  const all = byTrace(otlp.spans)
  const problems = (entry: string) => {
    const trace = traces.get(entry)
    return trace ? gaps(trace, SINKS, all) : ['no trace']
  }
  // Another worker claims and traces the entries that it had in flight. Entries that it had acknowledged may lack their span.
  expect(held.flatMap(([id]) => problems(`0/${id}`))).toEqual([])
  const untold = acknowledged.filter((entry) => problems(entry).length > 0)
  expect(untold.flatMap(problems).filter((problem) => !problem.startsWith('postgres: '))).toEqual([])
  expect(untold.length).toBeLessThan(acknowledged.length)
  const again = otlp.spans.filter(({ attributes }) => Number(attributes['cxone.deliveries']) > 1)
  expect(again.length).toBe(held.filter(([id]) => feedsPostgres(traces.get(`0/${id}`))).length)
})

function feedsPostgres(trace: Trace | undefined): boolean {
  const source = trace?.spans.find(({ kind }) => kind === 'SERVER')?.attributes['cxone.source']
  return CONTRACTS.some(({ name, sinks }) => name === source && sinks.includes('postgres'))
}

test('a collector that is away, slow or failing is no business of the traffic', async () => {
  // So short a queue that it overflows within the test.
  const { rig, otlp, start } = await traced({ OTEL_BSP_MAX_QUEUE_SIZE: '512' })
  const roles = await Promise.all([start('edge'), start('postgres'), start('mongo')])
  const slowest = async (manners: Manners) => {
    otlp.behave(manners)
    const sent = await rig.send({ rate: 200, seconds: 5, seed: 73 })
    expect(sent).toMatchObject({ unexpected: [], unanswered: 0, redelivered: 0 })
    await rig.drain(10_000)
    const stats = await readStats<{ latencyMs: { p99: number } }>(roles[0])
    return stats?.latencyMs.p99 ?? Number.POSITIVE_INFINITY
  }
  const usual = await slowest('well')
  // A request that waited for the collector would wait for 3 s.
  for (const manners of [{ status: 500 }, { status: 429 }, 'hang', 'close', { delayMs: 3_000 }] as const) {
    expect(await slowest(manners)).toBeLessThan(10 * usual + 1_000)
  }
  await otlp.close()
  expect(await slowest('well')).toBeLessThan(10 * usual + 1_000)
  await stop(...roles)
  for (const role of ['edge', 'postgres', 'mongo']) {
    const lines = rig
      .log(role)
      .split('\n')
      .filter((line) => line.includes('Telemetry is lost'))
    // It takes less than a minute, and there is a last one at the end.
    expect(lines.length).toBeGreaterThanOrEqual(1)
    expect(lines.length).toBeLessThanOrEqual(3)
  }
})
