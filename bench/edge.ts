import type { RoleProcess } from '../src/dev/roles.js'
import { freePort } from '../src/dev/services/port.js'
import { Durations } from '../src/health/durations.js'
import { type Generator, startGenerator } from './load/generator.js'
import type { RequestRecipe } from './load/plan.js'
import { startChild } from './support/child.js'
import { type Case, inTurn, type Run, type Subject } from './support/figures.js'
import { type Fixture, KEYS } from './support/fixture.js'
import type { Suite } from './support/suite.js'
import { cpuSeconds } from './support/usage.js'

/** A server that takes webhooks. */
interface Target {
  readonly port: number
  /** Of the processes that serve. */
  readonly pids: readonly number[]
  /** How many requests it has kept. */
  kept(): Promise<number>
  end(): Promise<void>
}

/** Bodies like those of CXone, made before: for the edge it does not matter whether they come again. */
const SIGNED: RequestRecipe = { body: 'contact', size: 700, signed: true, run: 'edge', variety: 2_000 }
const STREAM = 'bench:events'
/** Of a server that has just started, in s. */
const WARM_UP_S = 2

interface Load {
  readonly connections: number
  readonly requests: RequestRecipe
  readonly seconds: number
}

/** How many signed requests a second one edge acknowledges, beside the ceiling and what others would write. */
export const edgeSuite: Suite = {
  name: 'edge',
  about:
    'Requests a second, closed loop: every connection sends as soon as it is answered. Generator, server and Redis ' +
    'share the machine. The ceiling reads the body and answers; it checks and keeps nothing.',
  async run({ fixture, quick, say }) {
    const generator = await startGenerator()
    const seconds = quick ? 2 : 5
    const rounds = quick ? 1 : 2
    const measure = (title: string, load: Load, names: readonly (keyof typeof TARGETS)[], times = rounds) =>
      inTurn(
        title,
        'acked/s',
        names.map((name) => subject(name, fixture, generator, load)),
        times,
        say,
      )
    try {
      const cases: Case[] = []
      for (const connections of quick ? [64] : [64, 256]) {
        const load = { connections, requests: SIGNED, seconds }
        cases.push(await measure(`700 B, ${connections} connections`, load, ['tributary', ...OTHERS]))
      }
      const bad = { ...SIGNED, signed: false }
      cases.push(await measure('bad signature', { connections: 64, requests: bad, seconds }, ['tributary']))
      if (quick) return cases
      for (const size of [1_024, 16_384, 262_144]) {
        const requests = { ...SIGNED, size, variety: Math.min(2_000, Math.ceil(64e6 / size)) }
        const load = { connections: 64, requests, seconds }
        cases.push(await measure(`${size / 1_024} KiB, 64 connections`, load, ['tributary', 'ceiling'], 1))
      }
      const requests = { ...SIGNED, body: 'events', size: 500, variety: 100 } as const
      cases.push(
        await measure(
          '500 events a request, 64 connections',
          { connections: 64, requests, seconds },
          ['tributary', 'ceiling'],
          1,
        ),
      )
      return cases
    } finally {
      await generator.end()
    }
  },
}

const OTHERS = [
  'tributary, node:http',
  'tributary, 2 processes',
  'ceiling',
  'fastify, pipelined',
  'fastify, XADD alone',
] as const

const TARGETS = {
  tributary: (fixture: Fixture) => startTributary(fixture),
  'tributary, node:http': (fixture: Fixture) => startTributary(fixture, { EDGE_HTTP: 'node' }),
  'tributary, 2 processes': (fixture: Fixture) =>
    startTributary(fixture, { REUSE_PORT: 'true' }, undefined, 2),
  ceiling: async () => {
    const child = await startChild(new URL('./edge/ceiling.js', import.meta.url))
    return { port: Number(child.ready), pids: [child.pid], kept: async () => Number.NaN, end: child.end }
  },
  'fastify, pipelined': (fixture: Fixture) => startFastify(fixture, 'pipelined'),
  'fastify, XADD alone': (fixture: Fixture) => startFastify(fixture, 'alone'),
} as const satisfies Record<string, (fixture: Fixture) => Promise<Target>>

/** @param checkout folder of another built checkout, which the edges are taken from @param count of edges on the port */
async function startTributary(
  fixture: Fixture,
  env: Readonly<Record<string, string>> = {},
  checkout?: string,
  count = 1,
): Promise<Target> {
  const port = await freePort()
  const start = () => fixture.start('edge', { PORT: String(port), ...env }, checkout)
  const edges: readonly RoleProcess[] = await Promise.all(Array.from({ length: count }, start))
  return {
    port,
    pids: edges.map(({ pid }) => pid),
    kept: () => fixture.client.xlen(KEYS[0]?.events ?? ''),
    end: async () => void (await Promise.all(edges.map((edge) => fixture.stop(edge)))),
  }
}

async function startFastify(fixture: Fixture, manner: string): Promise<Target> {
  const child = await startChild(new URL('./edge/fastify.js', import.meta.url), [
    fixture.redis.url,
    STREAM,
    manner,
  ])
  return {
    port: Number(child.ready),
    pids: [child.pid],
    kept: () => fixture.client.xlen(STREAM),
    end: child.end,
  }
}

function subject(name: keyof typeof TARGETS, fixture: Fixture, generator: Generator, load: Load): Subject {
  return {
    name,
    run: async () => {
      await fixture.flush()
      const target = await TARGETS[name](fixture)
      try {
        return await measureTarget(target, fixture, generator, load)
      } finally {
        await target.end()
      }
    },
  }
}

/**
 * An edge that runs, set up in some way, to be measured again and again at 64 connections.
 * @param checkout folder of another built checkout, which the edge is taken from
 */
export async function openEdge(
  fixture: Fixture,
  generator: Generator,
  env: Readonly<Record<string, string>>,
  checkout?: string,
): Promise<{ measure(seconds: number): Promise<Run>; end(): Promise<void> }> {
  const target = await startTributary(fixture, env, checkout)
  return {
    measure: async (seconds) => {
      await fixture.flush()
      const load = { connections: 64, requests: SIGNED, seconds }
      return await measureTarget(target, fixture, generator, load, seconds / 4)
    },
    end: target.end,
  }
}

async function measureTarget(
  target: Target,
  fixture: Fixture,
  generator: Generator,
  load: Load,
  warmUp = WARM_UP_S,
): Promise<Run> {
  const { connections, requests, seconds } = load
  const plan = { port: target.port, connections, requests }
  const used = () => target.pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0)
  const [before, redisBefore] = [used(), cpuSeconds(fixture.pids.redis)]
  const report = await generator.run({ ...plan, loop: { kind: 'closed', warmUp, seconds } })
  const [cpu, redisCpu] = [used() - before, cpuSeconds(fixture.pids.redis) - redisBefore]
  const answered = requests.signed ? (report.byStatus[202] ?? 0) : (report.byStatus[401] ?? 0)
  const all = Object.values(report.byStatus).reduce((sum, n) => sum + n, 0)
  // The warm-up's requests have had their share, too.
  const requestsOfAll = (all * (seconds + warmUp)) / seconds
  const durations = new Durations(report.durations)
  const kept = await target.kept()
  const lost = Number.isNaN(kept) ? 0 : report.acknowledged - kept
  const problems = [
    lost !== 0 && `${report.acknowledged} acknowledged, ${kept} kept`,
    report.unanswered > 0 && `${report.unanswered} unanswered`,
    answered !== all && `answers ${JSON.stringify(report.byStatus)}`,
  ].filter((problem) => problem !== false)
  return {
    figures: {
      'acked/s': answered / report.seconds,
      'p50 ms': durations.quantile(0.5),
      'p99 ms': durations.quantile(0.99),
      'p99.9 ms': durations.quantile(0.999),
      'CPU us/request': (cpu / requestsOfAll) * 1e6,
      'Redis us/request': (redisCpu / requestsOfAll) * 1e6,
    },
    invalid: problems.length > 0 ? problems.join('; ') : undefined,
  }
}
