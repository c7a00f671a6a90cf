import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TransientError } from '../../src/errors.js'
import { newEntry } from '../support/entries.js'
import { type MemorySink, memorySink } from '../support/memory-sink.js'
import { plain, replay, type Told } from '../support/model.js'
import { streamsOfThisFile, type TestStream, until } from '../support/stream.js'
import { work } from '../support/worker.js'

const VERBS = { snapshot: 'created', patch: 'updated', delete: 'deleted' }

const streams = streamsOfThisFile()

/** Events of `cdc` on few keys: late, at the same time, said twice; and what is no event at all. */
const event = fc.record({
  key: fc.constantFrom('1', '2', '3', '__proto__'),
  second: fc.nat(30),
  operation: fc.constantFrom('snapshot' as const, 'patch' as const, 'delete' as const),
  values: fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.nat(9)),
})
const request = fc.oneof(
  { weight: 8, arbitrary: event.map((said) => ({ said, times: 1 })) },
  { weight: 2, arbitrary: event.map((said) => ({ said, times: 2 })) },
  { weight: 1, arbitrary: fc.constantFrom('no json', '{}', '{"webhookId":1}').map((bad) => ({ bad })) },
)

const at = (second: number) => Date.parse('2025-11-22T03:00:00Z') + second * 1_000
const body = ({ key, second, operation, values }: Event) => ({
  webhookId: 'w',
  eventType: `contact.${VERBS[operation]}`,
  timestamp: new Date(at(second)).toISOString(),
  eventData: { ...values, id: key },
})
type Event = typeof event extends fc.Arbitrary<infer T> ? T : never

/** Appends requests; what must be stored then, and how many entries and letters there must be. */
async function append(stream: TestStream, requests: ReturnType<typeof sample>) {
  const told = new Map<string, Told[]>()
  let [entries, letters] = [0, 0]
  for (const one of requests) {
    const bodies = 'bad' in one ? [one.bad] : Array(one.times).fill(body(one.said))
    const { partition, ids } = await stream.producer.append(bodies.map((each) => newEntry('cdc', each)))
    entries += ids.length
    if ('bad' in one) letters++
    else {
      const { key, second, operation, values } = one.said
      const history = told.get(`contacts ${key}`) ?? []
      const said = { timestamp: at(second) * 1_000, operation, values: Object.entries(values) }
      for (const entryId of ids) history.push({ ...said, at: { partition, entryId, index: 0 } })
      told.set(`contacts ${key}`, history)
    }
  }
  const expected = new Map([...told].map(([place, history]) => [place, plain(replay(history))]))
  return { expected, entries, letters }
}
const SEED = Date.now() % 1_000_000
const sample = (count: number) => fc.sample(request, { numRuns: count, seed: SEED })
const inside = (sink: MemorySink) => new Map([...sink.stored].map(([place, state]) => [place, plain(state)]))

describe.concurrent('a worker', () => {
  it('lands every entry, or its letter, whatever comes in between', async () => {
    const stream = await streams({ partitions: 2 })
    const { expected, entries, letters } = await append(stream, sample(300))
    let failures = 0
    const sink = memorySink({
      before: () => {
        if (failures++ % 4 === 2) throw new TransientError('busy')
      },
    })
    const workers = [await work(stream, sink), await work(stream, sink)]
    for (const { reader, commands } of workers) {
      for (const connection of [reader, commands]) {
        await stream.redis.client('KILL', 'ID', await connection.client('ID'))
      }
    }
    await until(async () => workers.reduce((sum, { stats }) => sum + stats.acknowledged, 0) >= entries)
    for (const { stop } of workers) stop.abort()
    await Promise.all(workers.map(({ ended }) => ended))
    expect(inside(sink), `with the seed ${SEED}`).toEqual(expected)
    expect(workers.reduce((sum, { stats }) => sum + stats.acknowledged, 0)).toBe(entries)
    expect(workers.reduce((sum, { stats }) => sum + stats.deadLettered, 0)).toBe(letters)
    expect(await stream.letters()).toHaveLength(letters)
    expect(await stream.pending()).toBe(0)
  })

  it('loses and dead-letters nothing while the sink is away', async () => {
    const stream = await streams()
    const { expected, entries } = await append(
      stream,
      sample(40).filter((one) => !('bad' in one)),
    )
    let away = true
    const sink = memorySink({
      before: () => {
        if (away) throw new TransientError('the store is down')
      },
    })
    const { stats, stop, ended, lines } = await work(stream, sink)
    await until(() => stats.retries >= 4)
    expect([stats.acknowledged, (await stream.letters()).length]).toEqual([0, 0])
    expect(lines).toContain('warn the store is down')
    away = false
    await until(() => stats.acknowledged === entries)
    stop.abort()
    await ended
    expect(inside(sink), `with the seed ${SEED}`).toEqual(expected)
    expect([await stream.pending(), (await stream.letters()).length]).toEqual([0, 0])
  })

  it('finishes what it has read when it is stopped', async () => {
    const stream = await streams()
    await append(stream, sample(100))
    const sink = memorySink({ before: () => sleep(50) })
    const { stop, ended, stats } = await work(stream, sink)
    await until(() => sink.writes.length > 0)
    stop.abort()
    await ended
    expect(stats.acknowledged).toBeGreaterThan(0)
    expect(stats.acknowledged).toBeLessThan(100)
    expect(await stream.pending()).toBe(0)
  })

  it('leaves to the next what it cannot write in time', async () => {
    const stream = await streams()
    const { expected, entries } = await append(stream, sample(60))
    const hang = async (_: unknown, signal: AbortSignal) => {
      await once(signal, 'abort')
      signal.throwIfAborted()
    }
    const stuck = await work(stream, memorySink({ before: hang }))
    await until(async () => (await stream.pending()) > 0)
    stuck.stop.abort()
    const reason = new Error('the time is over')
    stuck.giveUp.abort(reason)
    await expect(stuck.ended).rejects.toBe(reason)
    await stuck.consumer.close()
    expect(stuck.stats.acknowledged).toBe(0)
    expect(await stream.pending()).toBeGreaterThan(0)

    const sink = memorySink()
    const next = await work(stream, sink)
    await until(() => next.stats.acknowledged === entries)
    next.stop.abort()
    await next.ended
    expect(inside(sink), `with the seed ${SEED}`).toEqual(expected)
    expect(await stream.pending()).toBe(0)
  })

  it('may end between its commit and its ack: delivered again changes nothing', async () => {
    const stream = await streams()
    const { expected, entries, letters } = await append(stream, sample(60))
    const sink = memorySink()
    const write = sink.write.bind(sink)
    const first = await work(stream, {
      ...sink,
      write: async (changes, signal) => {
        await write(changes, signal)
        if (sink.writes.length === 2) first.giveUp.abort(new Error('killed'))
      },
    })
    await expect(first.ended).rejects.toThrow('killed')
    await first.consumer.close()
    const next = await work(stream, sink)
    await until(async () => first.stats.acknowledged + next.stats.acknowledged === entries)
    next.stop.abort()
    await next.ended
    expect(inside(sink), `with the seed ${SEED}`).toEqual(expected)
    expect(await stream.letters()).toHaveLength(letters)
  })

  it('says in a letter what was wrong with what', async () => {
    const stream = await streams()
    const timestamp = '2025-11-22T03:00:00Z'
    const sync = { events: [{ id: 'a', timestamp }, { id: 'b' }, { id: 'c', timestamp, firstName: 'é' }] }
    const { ids } = await stream.producer.append([
      newEntry('contact-sync', sync),
      newEntry('cdc', '{"webhook'),
    ])
    const { stop, ended, stats } = await work(stream, memorySink({ refuses: ({ key }) => key === 'c' }))
    await until(() => stats.acknowledged === 2)
    stop.abort()
    await ended
    const about = { sink: 'memory', delivery: 'delivery-1', trace: '' }
    expect((await stream.letters()).sort((a, b) => Number(a.index) - Number(b.index))).toEqual([
      expect.objectContaining({
        ...about,
        source: 'cdc',
        reason: 'malformed_json',
        index: '',
        body: '{"webhook',
      }),
      expect.objectContaining({
        ...about,
        source: 'contact-sync',
        reason: 'invalid_event',
        message: expect.stringContaining('timestamp'),
        entry: `0/${ids[0]}`,
        received: ids[0]?.split('-')[0],
        index: '1',
        body: '{"id":"b"}',
      }),
      expect.objectContaining({
        ...about,
        reason: 'refused_by_store',
        message: 'no room for contact_records c',
        index: '2',
        body: `{"id":"c","timestamp":"${timestamp}","firstName":"é"}`,
      }),
    ])
    expect(stats).toMatchObject({ acknowledged: 2, deadLettered: 3 })
  })

  it('ends loudly on a bug, and leaves its entries pending', async () => {
    const stream = await streams()
    await append(stream, [{ said: { key: '1', second: 0, operation: 'snapshot', values: {} }, times: 1 }])
    const bug = new TypeError('a bug')
    const { ended } = await work(stream, memorySink({ before: () => Promise.reject(bug) }))
    await expect(ended).rejects.toBe(bug)
    expect([await stream.pending(), (await stream.letters()).length]).toEqual([1, 0])
  })

  it('ends at once on a bug, though nothing more comes and another write never ends', async () => {
    const stream = await streams()
    const bug = new TypeError('a bug')
    const sink = memorySink({
      before: (changes) => (changes[0]?.key === '1' ? new Promise(() => undefined) : Promise.reject(bug)),
    })
    const { ended } = await work(stream, sink, { batch: 1, leaseMs: 3_600_000 })
    const said = (key: '1' | '2') => ({ key, second: 0, operation: 'snapshot' as const, values: {} })
    await append(stream, [{ said: said('1'), times: 1 }])
    await until(() => sink.writes.length === 1)
    await append(stream, [{ said: said('2'), times: 1 }])
    await expect(ended).rejects.toBe(bug)
  })
})
