import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { groupFigures } from '../../src/stream/groups.js'
import { partitionKeys } from '../../src/stream/keys.js'
import { Trimmer, type TrimOptions } from '../../src/stream/trim.js'
import { freshName } from '../support/fresh.js'
import { streamsOfThisFile, type TestStream } from '../support/stream.js'

const NEVER = new AbortController().signal
const DAY = 86_400_000
/** Entries in a block of a stream, which goes as a whole or not at all, with bodies of no size. */
const BLOCK = 100

const open = streamsOfThisFile()

/** Groups and sinks of its own: none has to be there. */
function trimmer({ redis, keys }: TestStream, options: Partial<TrimOptions & { maxBytes: number }> = {}) {
  const { maxBytes = 1e12, ...rest } = options
  const everything = { windowMs: 0, sinks: new Map<string, string[]>(), ignored: [] }
  const own = new Trimmer(redis, keys, { ...everything, ...rest })
  return { run: (stopping: AbortSignal) => own.run(maxBytes, stopping) }
}

/** Appends entries; the ids go on from `<ms>-1`. */
async function append(
  { redis, first }: TestStream,
  count: number,
  { ms = 1_000, source = 'cdc', body = '{}' }: { ms?: number; source?: string; body?: string } = {},
): Promise<void> {
  const pipeline = redis.pipeline()
  for (let i = 0; i < count; i++) {
    pipeline.xadd(first.events, `${ms}-*`, source, body)
  }
  for (const [error] of (await pipeline.exec()) ?? []) if (error) throw error
}

const create = ({ redis, first }: TestStream, group: string) =>
  redis.xgroup('CREATE', first.events, group, '0', 'MKSTREAM')

/** Reads as one consumer of a group does. @returns the ids */
async function read({ redis, first }: TestStream, group: string, count: number): Promise<string[]> {
  const reply = await redis.xreadgroup('GROUP', group, 'one', 'COUNT', count, 'STREAMS', first.events, '>')
  return ((reply as [string, [string, string[]][]][] | null) ?? []).flatMap(([, entries]) =>
    entries.map(([id]) => id),
  )
}

async function acknowledge(stream: TestStream, group: string, count: number): Promise<void> {
  const ids = await read(stream, group, count)
  if (ids.length > 0) await stream.redis.xack(stream.first.events, group, ...ids)
}

const ids = async ({ redis, first }: TestStream) =>
  (await redis.xrange(first.events, '-', '+')).map(([id]) => id)

const GROUPS = ['one', 'two', 'three']

/** One thing that happens to a stream. */
type Step =
  | { readonly does: 'append' | 'pass'; readonly count: number }
  | { readonly does: 'read'; readonly group: string; readonly count: number }
  | { readonly does: 'acknowledge'; readonly group: string; readonly each: number }
  | { readonly does: 'claim'; readonly group: string }
  | { readonly does: 'trim'; readonly maxBytes: number }

const group = fc.constantFrom(...GROUPS)
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ does: fc.constantFrom('append', 'pass'), count: fc.integer({ min: 1, max: 400 }) }),
  fc.record({ does: fc.constant('read'), group, count: fc.integer({ min: 1, max: 100 }) }),
  fc.record({ does: fc.constant('acknowledge'), group, each: fc.constantFrom(1, 1, 2, 7) }),
  fc.record({ does: fc.constant('claim'), group }),
  fc.record({ does: fc.constant('trim'), maxBytes: fc.constantFrom(1, 1e12) }),
)

/** A stream, and for each of its groups the entries that are not acknowledged and those that are pending, as plain sets. */
class Played {
  readonly unacknowledged = new Map(GROUPS.map((name) => [name, new Set<string>()]))
  readonly pending = new Map(GROUPS.map((name) => [name, new Set<string>()]))
  trimmed = 0

  constructor(readonly stream: TestStream) {}

  async play(now: Step): Promise<void> {
    const { redis, first } = this.stream
    if (now.does === 'append') await this.#append(now.count)
    // Every group comes on, so that there is something to trim; earlier pending entries stay pending.
    if (now.does === 'pass')
      for (const name of GROUPS) await this.#ack(name, await read(this.stream, name, now.count))
    if (now.does === 'read')
      for (const id of await read(this.stream, now.group, now.count)) this.pending.get(now.group)?.add(id)
    if (now.does === 'acknowledge') {
      const mine = [...(this.pending.get(now.group) ?? [])]
      await this.#ack(
        now.group,
        mine.filter((_, i) => i % now.each === 0),
      )
    }
    if (now.does === 'claim') await redis.xautoclaim(first.events, now.group, 'other', 0, '0-0', 'COUNT', 50)
    if (now.does === 'trim') {
      this.trimmed += (await trimmer(this.stream, { maxBytes: now.maxBytes }).run(NEVER)).removed
      const there = new Set(await ids(this.stream))
      for (const set of this.unacknowledged.values())
        expect([...set].filter((id) => !there.has(id))).toEqual([])
    }
  }

  async #append(count: number): Promise<void> {
    const before = new Set(await ids(this.stream))
    await append(this.stream, count)
    const fresh = (await ids(this.stream)).filter((id) => !before.has(id))
    for (const set of this.unacknowledged.values()) for (const id of fresh) set.add(id)
  }

  async #ack(name: string, chosen: readonly string[]): Promise<void> {
    if (chosen.length > 0) await this.stream.redis.xack(this.stream.first.events, name, ...chosen)
    for (const id of chosen)
      for (const sets of [this.unacknowledged, this.pending]) sets.get(name)?.delete(id)
  }
}

describe('what a group needs', () => {
  test('is never trimmed, whatever is appended, read, acknowledged and claimed in between', async () => {
    const stream = await open()
    let trimmed = 0
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60 }), async (steps) => {
        const [first = stream.first] = partitionKeys(freshName('trim'), 1)
        const played = new Played({ ...stream, keys: [first], first })
        for (const name of GROUPS) await create(played.stream, name)
        for (const now of steps) await played.play(now)
        await played.play({ does: 'trim', maxBytes: 1 })
        trimmed += played.trimmed
        for (const name of GROUPS) {
          const { undelivered, pending } = await groupFigures(stream.redis, [first], name, DAY)
          expect(undelivered + pending).toBe(played.unacknowledged.get(name)?.size)
          expect(pending).toBe(played.pending.get(name)?.size)
        }
        await stream.redis.del(first.events)
      }),
      { numRuns: 40 },
    )
    // It did trim: otherwise all this would hold of itself.
    expect(trimmed).toBeGreaterThan(1_000)
  })

  test('of a stream that no worker has read is everything', async () => {
    const stream = await open()
    await append(stream, 3 * BLOCK)
    expect(await trimmer(stream, { maxBytes: 1 }).run(NEVER)).toMatchObject({ removed: 0, needs: [] })
    expect(await trimmer(await open()).run(NEVER)).toEqual({ removed: 0, bytes: 0, needs: [] })
  })

  test('comes first of all groups: what one has settled stays for another', async () => {
    const stream = await open()
    await Promise.all([create(stream, 'quick'), create(stream, 'slow')])
    await append(stream, 5 * BLOCK)
    await acknowledge(stream, 'quick', 5 * BLOCK)
    await acknowledge(stream, 'slow', 2 * BLOCK)
    await read(stream, 'slow', BLOCK)
    const report = await trimmer(stream, { maxBytes: 1 }).run(NEVER)
    expect(report.removed).toBe(2 * BLOCK)
    const id = `1000-${2 * BLOCK}`
    expect(report.needs).toMatchObject([{ group: 'slow', exists: true, id, stream: stream.first.events }])
    expect(report.needs[0]?.idleMs).toBeGreaterThanOrEqual(0)
  })
})

describe('the window', () => {
  test('keeps what is settled for a while, by the time of receipt', async () => {
    const stream = await open()
    await create(stream, 'one')
    await append(stream, 3 * BLOCK, { ms: Date.now() - 2 * DAY })
    await append(stream, 3 * BLOCK, { ms: Date.now() - DAY / 2 })
    await acknowledge(stream, 'one', 6 * BLOCK)
    expect(await trimmer(stream, { windowMs: DAY }).run(NEVER)).toMatchObject({
      removed: 3 * BLOCK,
      needs: [],
    })
    expect(await trimmer(stream, { windowMs: DAY }).run(NEVER)).toMatchObject({ removed: 0 })
  })

  test('is trimmed in steps, and ends between two when it is asked to', async () => {
    const stream = await open()
    await create(stream, 'one')
    for (let i = 0; i < 25; i++) await append(stream, 1_000)
    await acknowledge(stream, 'one', 25_000)
    const stopped = AbortSignal.abort()
    expect((await trimmer(stream).run(stopped)).removed).toBe(10_000)
    expect((await trimmer(stream).run(NEVER)).removed).toBeGreaterThanOrEqual(15_000 - BLOCK)
  })

  test('may be trimmed by several at once', async () => {
    const stream = await open()
    await create(stream, 'one')
    for (let i = 0; i < 12; i++) await append(stream, 1_000)
    await acknowledge(stream, 'one', 11_000)
    const reports = await Promise.all([1, 2, 3].map(() => trimmer(stream).run(NEVER)))
    const removed = reports.reduce((sum, report) => sum + report.removed, 0)
    expect(await stream.redis.xlen(stream.first.events)).toBe(12_000 - removed)
    expect(removed).toBeGreaterThanOrEqual(11_000 - BLOCK)
    expect((await ids(stream)).slice(-1_000)).toHaveLength(1_000)
  })
})

describe('the budget', () => {
  test('lets settled entries go before their time, oldest first, as many as it takes', async () => {
    const stream = await open()
    await create(stream, 'one')
    await append(stream, 2_000, { ms: Date.now(), body: 'x'.repeat(1_000) })
    await acknowledge(stream, 'one', 1_500)
    const size = async () =>
      Number(await stream.redis.call('MEMORY', 'USAGE', stream.first.events, 'SAMPLES', 0))
    const maxBytes = Math.round((await size()) * 0.6)
    const all = await ids(stream)
    const report = await trimmer(stream, { windowMs: DAY, maxBytes }).run(NEVER)
    expect(await size()).toBeLessThanOrEqual(maxBytes)
    expect(await size()).toBeGreaterThan(maxBytes * 0.85)
    expect(await ids(stream)).toEqual(all.slice(report.removed))
  })

  test('never takes what a group needs', async () => {
    const stream = await open()
    await create(stream, 'one')
    await append(stream, 2_000, { ms: Date.now(), body: 'x'.repeat(1_000) })
    await acknowledge(stream, 'one', 500)
    const all = await ids(stream)
    await trimmer(stream, { windowMs: DAY, maxBytes: 1 }).run(NEVER)
    const left = await ids(stream)
    expect(left.slice(-1_500)).toEqual(all.slice(500))
    expect(left.length).toBeLessThan(1_500 + BLOCK)
  })

  test('is shared by the partitions', async () => {
    const stream = await open({ partitions: 4 })
    await create(stream, 'one')
    await append(stream, 2_000, { ms: Date.now(), body: 'x'.repeat(1_000) })
    await acknowledge(stream, 'one', 2_000)
    const size = async () =>
      Number(await stream.redis.call('MEMORY', 'USAGE', stream.first.events, 'SAMPLES', 0))
    const all = await size()
    await trimmer(stream, { windowMs: DAY, maxBytes: all }).run(NEVER)
    expect(await size()).toBeLessThanOrEqual(all / 4)
  })
})

describe('a sink that has no group yet', () => {
  const sinks = new Map([
    ['postgres', ['cdc']],
    ['interactions', ['interaction-update']],
  ])

  test('holds back nothing where no contract has fed it', async () => {
    const stream = await open()
    await create(stream, 'postgres')
    await append(stream, 30 * BLOCK)
    await acknowledge(stream, 'postgres', 30 * BLOCK)
    const report = await trimmer(stream, { sinks }).run(NEVER)
    expect(report.needs).toEqual([])
    expect(report.removed).toBeGreaterThanOrEqual(29 * BLOCK)
  })

  test('loses nothing that is for it, and only that holds back', async () => {
    const stream = await open()
    await create(stream, 'postgres')
    await append(stream, 30 * BLOCK)
    await append(stream, 1, { source: 'interaction-update' })
    await append(stream, 5 * BLOCK)
    await acknowledge(stream, 'postgres', 36 * BLOCK)
    const one = trimmer(stream, { sinks, maxBytes: 1 })
    const report = await one.run(NEVER)
    const id = `1000-${30 * BLOCK}`
    expect(report).toMatchObject({
      removed: 30 * BLOCK,
      needs: [{ group: 'interactions', exists: false, id }],
    })
    expect((await one.run(NEVER)).needs).toHaveLength(1)
    // Another process, or this one after a restart, finds the same.
    expect((await trimmer(stream, { sinks, maxBytes: 1 }).run(NEVER)).needs).toEqual(report.needs)
    expect((await ids(stream))[0]).toBe(id)

    await create(stream, 'interactions')
    expect((await one.run(NEVER)).needs).toMatchObject([{ group: 'interactions', exists: true }])
    await acknowledge(stream, 'interactions', 36 * BLOCK)
    expect((await one.run(NEVER)).removed).toBeGreaterThanOrEqual(5 * BLOCK)
  })

  test('whose group is removed counts as one that never had any', async () => {
    const stream = await open()
    await Promise.all([create(stream, 'postgres'), create(stream, 'interactions')])
    const one = trimmer(stream, { sinks })
    await append(stream, 3 * BLOCK, { source: 'interaction-update' })
    await acknowledge(stream, 'postgres', 3 * BLOCK)
    await acknowledge(stream, 'interactions', BLOCK)
    expect((await one.run(NEVER)).removed).toBe(BLOCK)
    await stream.redis.xgroup('DESTROY', stream.first.events, 'interactions')
    expect(await one.run(NEVER)).toMatchObject({
      removed: 0,
      needs: [{ group: 'interactions', exists: false }],
    })
    await create(stream, 'interactions')
    expect(await read(stream, 'interactions', 3 * BLOCK)).toHaveLength(2 * BLOCK)
  })

  test('holds back nothing where this installation does not run it, and neither does its group', async () => {
    const stream = await open()
    await Promise.all([create(stream, 'postgres'), create(stream, 'mongo')])
    await append(stream, 3 * BLOCK, { source: 'interaction-update' })
    await acknowledge(stream, 'postgres', 3 * BLOCK)
    const run = { sinks: new Map([['postgres', ['cdc']]]), ignored: ['mongo', 'interactions'] }
    const report = await trimmer(stream, run).run(NEVER)
    expect(report.needs).toEqual([])
    expect(report.removed).toBeGreaterThanOrEqual(2 * BLOCK)
  })
})
