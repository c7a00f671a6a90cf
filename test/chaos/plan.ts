import { Random } from '../../src/dev/traffic/random.js'

/** What can be struck: names of processes, servers and connections (`postgres-1>redis`). */
export interface Shape {
  readonly members: readonly string[]
  readonly servers: readonly string[]
  readonly links: readonly string[]
}

/** One way to do harm. */
interface Kind {
  readonly title: string
  readonly targets: (shape: Shape) => readonly string[]
  /** Shortest and longest, in ms. */
  readonly lastsMs: readonly [number, number]
  /** How much of it, where that matters. */
  readonly amounts?: readonly number[]
}

const only =
  (...names: string[]) =>
  ({ servers }: Shape) =>
    servers.filter((name) => names.includes(name))
const members = (shape: Shape) => shape.members
const links = (shape: Shape) => shape.links

/** Every kind of fault by its name in `--faults`. */
export const KINDS = {
  kill: { title: 'SIGKILL, started again after', targets: members, lastsMs: [200, 3_000] },
  stop: { title: 'SIGSTOP for', targets: members, lastsMs: [1_000, 6_000] },
  term: { title: 'SIGTERM, started again after', targets: members, lastsMs: [100, 1_000] },
  'kill-server': {
    title: 'SIGKILL, started again after',
    targets: ({ servers }) => servers,
    lastsMs: [500, 4_000],
  },
  'stop-server': { title: 'SIGSTOP for', targets: ({ servers }) => servers, lastsMs: [1_000, 5_000] },
  cut: { title: 'connection reset and refused for', targets: links, lastsMs: [500, 4_000] },
  freeze: { title: 'connection silent for', targets: links, lastsMs: [1_000, 5_000] },
  delay: {
    title: 'connection slow for',
    targets: links,
    lastsMs: [2_000, 6_000],
    amounts: [30, 100, 300],
  },
  drop: {
    title: 'replies lost, then connection reset, after',
    targets: links,
    lastsMs: [300, 2_500],
  },
  full: { title: 'Redis at maxmemory for', targets: only('redis'), lastsMs: [2_000, 5_000] },
  'read-only': { title: 'Postgres read-only for', targets: only('postgres'), lastsMs: [2_000, 5_000] },
  'disk-full': {
    title: 'Postgres answers that its disk is full for',
    targets: only('postgres'),
    lastsMs: [2_000, 5_000],
  },
  'not-primary': {
    title: 'MongoDB answers that it is not the primary for',
    targets: only('mongodb'),
    lastsMs: [2_000, 5_000],
  },
  clock: {
    title: 'clock off by an hour for',
    targets: ({ members: all }) => all.filter((name) => !name.startsWith('edge')),
    lastsMs: [3_000, 10_000],
    amounts: [-3_600_000, 3_600_000],
  },
} as const satisfies Record<string, Kind>

/** The name of a kind of fault. */
export type KindName = keyof typeof KINDS
/** All of them. */
export const KIND_NAMES = Object.keys(KINDS) as KindName[]

/** One fault: what, whom, when and for how long. */
export interface Strike {
  readonly kind: KindName
  readonly target: string
  /** Since the start of the faults, in ms. */
  readonly atMs: number
  readonly lastsMs: number
  /** Milliseconds of a delay, or that a clock is off by; 0 for all others. */
  readonly amount: number
}

/** What a plan is drawn from. */
export interface PlanOptions {
  readonly seed: number
  /** All faults are over by then, in ms. */
  readonly forMs: number
  readonly kinds: readonly KindName[]
  readonly shape: Shape
}

/** Share of faults that begin while the one before still lasts. */
const OVERLAPPING = 0.35
/** What has been struck is left alone so long, in ms: a server has to come up before anything can be done to it. */
const REST_MS = 3_000

/**
 * Draws faults from a seed: the same seed, the same plan. Each kind comes once before any comes again. No two
 * faults strike the same target at once, for undoing the one would undo the other.
 * @throws Error where none of the kinds has a target
 */
export function makePlan({ seed, forMs, kinds, shape }: PlanOptions): Strike[] {
  const random = new Random(seed)
  const possible = kinds.filter((kind) => KINDS[kind].targets(shape).length > 0)
  if (possible.length === 0) throw new Error('There is nothing that these faults could strike')
  const plan: Strike[] = []
  let deck: KindName[] = []
  for (let atMs = 1_000; ; ) {
    if (deck.length === 0) deck = random.some(possible, possible.length)
    const drawn = draw(random, deck, atMs, plan, shape)
    if (!drawn) {
      atMs += 500
      continue
    }
    if (drawn.atMs + drawn.lastsMs > forMs) return plan
    deck = deck.filter((kind) => kind !== drawn.kind)
    plan.push(drawn)
    atMs += random.chance(OVERLAPPING)
      ? Math.round(drawn.lastsMs / 3)
      : drawn.lastsMs + random.between(300, 2_000)
  }
}

/** The first kind of the deck that has a free target. */
function draw(
  random: Random,
  deck: readonly KindName[],
  atMs: number,
  plan: readonly Strike[],
  shape: Shape,
): Strike | undefined {
  const recent = plan.filter((one) => one.atMs + one.lastsMs + REST_MS > atMs)
  const busy = new Set(recent.map(({ target }) => target))
  for (const kind of deck) {
    const { targets, lastsMs, amounts = [0] }: Kind = KINDS[kind]
    const free = targets(shape).filter((target) => !busy.has(target))
    if (free.length === 0) continue
    const [target, amount] = [random.pick(free), random.pick(amounts)]
    return { kind, target, atMs, lastsMs: random.between(...lastsMs), amount }
  }
  return undefined
}

/** A fault in one line: `12.3 s  kill         postgres-1: SIGKILL, started again after 1.2 s`. */
export function describe({ kind, target, atMs, lastsMs, amount }: Strike): string {
  const much = amount === 0 ? '' : ` (${amount > 0 ? '+' : ''}${amount} ms)`
  return `${seconds(atMs).padStart(8)}  ${kind.padEnd(11)}  ${target}: ${KINDS[kind].title} ${seconds(lastsMs)}${much}`
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`
}
