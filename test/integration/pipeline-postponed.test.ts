import { expect, it } from 'vitest'
import { RejectedError, TransientError } from '../../src/errors.js'
import { newWorkerStats } from '../../src/health/stats.js'
import { compareStates } from '../../src/sinks/comparison.js'
import type { Sink } from '../../src/sinks/sink.js'
import { watched } from '../../src/sinks/watched.js'
import { newEntry } from '../support/entries.js'
import { memorySink } from '../support/memory-sink.js'
import { streamsOfThisFile, until } from '../support/stream.js'
import { LEASE_MS, MAX_DELIVERIES, work } from '../support/worker.js'

const streams = streamsOfThisFile()
const entry = (kind: string, id: string) =>
  newEntry('cdc', {
    webhookId: 'w',
    eventType: `${kind}.created`,
    timestamp: '2025-11-22T03:00:00Z',
    eventData: { id },
  })

/** A store that fails with a code for each write with a contact that `fails`. @param isFinal whether it may be a row's fault */
function failingSink(fails: (key: string) => boolean, isFinal: () => boolean) {
  const attempts: string[][] = []
  const memory = memorySink({
    before: (changes) => {
      attempts.push(changes.map(({ key }) => key))
      const bad = changes.find(({ entity, key }) => entity.name === 'contacts' && fails(key))
      if (!bad) return
      const refusal = isFinal() ? new RejectedError('refused_by_store', `no ${bad.key}`) : undefined
      throw new TransientError(`no ${bad.key}`, { suspicion: { code: 'ZZ001', refusal } })
    },
  })
  const read = async (entity: { name: string }, keys: readonly string[]) =>
    new Map(
      keys.flatMap((key) => {
        const state = memory.stored.get(`${entity.name} ${key}`)
        return state ? [[key, state] as const] : []
      }),
    )
  const sink: Sink = { ...memory, comparison: compareStates(true, ({ name }) => name, read) }
  return { sink: watched(sink, newWorkerStats()), stored: memory.stored, attempts }
}

it('an event that waits is delivered as often as it takes, and what comes with it and after it is not held up', async () => {
  const stream = await streams()
  let locked = true
  const { sink, stored, attempts } = failingSink(
    (key) => key === 'd' && locked,
    () => false,
  )
  await stream.producer.append([...'abcdefgh'].map((id) => entry('contact', id)))
  const { stop, ended, stats } = await work(stream, sink)
  await until(() => stats.acknowledged === 7)
  expect(await stream.pending()).toBe(1)
  // More often than an entry may end its worker.
  const alone = () => attempts.filter(([key, ...others]) => key === 'd' && others.length === 0).length
  const before = alone()
  await until(() => alone() > before + MAX_DELIVERIES + 1, LEASE_MS * 20)
  await stream.producer.append([...'ijkl'].map((id) => entry('contact', id)))
  await until(() => stats.acknowledged === 11)
  locked = false
  await until(() => stats.acknowledged === 12)
  expect(await stream.pending()).toBe(0)
  expect(stored.size).toBe(12)
  expect(await stream.letters()).toEqual([])
  stop.abort()
  await ended
})

it('a table that takes nothing makes no dead letter, and does not hold up another one', async () => {
  const stream = await streams()
  let revoked = true
  const { sink, stored } = failingSink(
    () => revoked,
    () => true,
  )
  const { stop, ended, stats } = await work(stream, sink)
  for (let turn = 0; turn < 4; turn++) {
    await stream.producer.append(
      [...'abcde'].flatMap((id) => [entry('contact', `${id}${turn}`), entry('interaction', `${id}${turn}`)]),
    )
  }
  await until(() => stats.acknowledged === 20, 30_000)
  expect([...stored.keys()].every((place) => place.startsWith('interactions'))).toBe(true)
  revoked = false
  await until(() => stats.acknowledged === 40, 30_000)
  expect(stored.size).toBe(40)
  expect(await stream.letters()).toEqual([])
  stop.abort()
  await ended
})

it('an event that comes alone and fails is dead-lettered once another of its table is written', async () => {
  const stream = await streams()
  const { sink, stored } = failingSink(
    (key) => key === 'x',
    () => true,
  )
  const { stop, ended, stats } = await work(stream, sink)
  await stream.producer.append([entry('contact', 'x')])
  await stream.producer.append([entry('interaction', 'i')])
  await until(() => stats.acknowledged === 1)
  expect(await stream.letters()).toEqual([])
  await stream.producer.append([entry('contact', 'y')])
  await until(() => stats.deadLettered === 1)
  expect([...stored.keys()].sort()).toEqual(['contacts y', 'interactions i'])
  expect(await stream.letters()).toEqual([
    expect.objectContaining({ reason: 'refused_by_store', message: 'no x' }),
  ])
  stop.abort()
  await ended
})
