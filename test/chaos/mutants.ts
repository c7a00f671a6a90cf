import type { Strike } from './plan.js'

/** A mistake in the product, put into a compiled file while processes of some roles load it. */
export interface Mutation {
  /** Whose processes get it. */
  readonly roles: readonly string[]
  /** End of the path of the compiled file. */
  readonly file: string
  /** Text that stands in it exactly once, and what it is replaced by. */
  readonly from: string
  readonly to: string
}

/** A mistake, and the faults that show it. */
export interface Mutant {
  readonly title: string
  readonly mutation: Mutation
  /** Settings that make it show. */
  readonly env?: Readonly<Record<string, string>>
  readonly plan: readonly Strike[]
}

const WORKERS = ['postgres', 'mongo', 'feed']

/** A run with any of these must end with a bad verdict: a proof that cannot fail proves nothing. */
export const MUTANTS: Readonly<Record<string, Mutant>> = {
  'ack-before-write': {
    title: 'a worker acknowledges what it has read before the store has it',
    mutation: {
      roles: WORKERS,
      file: '/src/pipeline/worker.js',
      from: 'progress, signal, onRetry }) {',
      to: `progress, signal, onRetry, consumer }) {
    const fine = decoded.filter(({ entry, rejected }) => rejected.size === 0 && !entry.body.includes('u0000'));
    await consumer.acknowledge(fine.map(({ entry }) => ({ entry, letters: [] })));`,
    },
    // Full batches, a store that cannot be reached, and then the workers are killed with a batch in flight. The store is
    // not just silent: what waits in the network would reach it when it wakes up.
    env: { BATCH_LINGER_MS: '1000' },
    plan: ['postgres-1', 'postgres-2'].flatMap((worker) => [
      strike('cut', `${worker}>postgres`, 2_000, 4_000),
      strike('kill', worker, 4_500, 500),
    ]),
  },
  'trim-unread': {
    title: 'the log is trimmed as if the mongo group needed nothing',
    mutation: {
      roles: ['maintenance'],
      file: '/src/stream/trim.js',
      from: '[windowMs, share, STEP_ENTRIES, ignored.length, ...ignored, ...positions]',
      to: "[0, share, STEP_ENTRIES, 1, 'mongo']",
    },
    plan: [strike('kill', 'mongo-1', 2_000, 9_000), strike('kill', 'mongo-2', 2_000, 9_000)],
  },
  'lost-read': {
    title: 'a worker forgets some of the batches that it has read, and goes on renewing its lease on them',
    mutation: {
      roles: WORKERS,
      file: '/src/stream/consumer.js',
      from: 'await this.#linger(entries, stopping, report);',
      to: 'await this.#linger(entries, stopping, report); if (Math.random() < 0.1) continue;',
    },
    plan: [strike('delay', 'postgres-1>redis', 2_000, 4_000, 30)],
  },
  'hasty-edge': {
    title: 'the edge answers 202 where the reply of Redis is missing',
    mutation: {
      roles: ['edge'],
      file: '/src/edge/append.js',
      from: "this.#end(call, (waiting) => waiting.failed('unavailable'));",
      to: `const ids = call.map((_, i) => Date.now() + '-' + i);
            this.#end(call, (waiting, index) => waiting.kept({ partition: 0, ids }, index));`,
    },
    plan: [1, 2, 3].map((n) => strike('cut', 'edge-1>redis', n * 2_500, 800)),
  },
}

function strike(kind: Strike['kind'], target: string, atMs: number, lastsMs: number, amount = 0): Strike {
  return { kind, target, atMs, lastsMs, amount }
}
