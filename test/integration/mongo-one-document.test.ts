import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { contacts } from '../../schemas/cdc.js'
import type { Entity } from '../../schemas/contract.js'
import { events } from '../../schemas/data-action.js'
import { ENTITIES } from '../../schemas/index.js'
import type { RejectedError } from '../../src/errors.js'
import { readStates } from '../../src/sinks/mongo/read.js'
import { createMongoSink } from '../../src/sinks/mongo/sink.js'
import type { Change, Sink } from '../../src/sinks/sink.js'
import { patch, type State, snapshot } from '../../src/state/state.js'
import { amid, deliveries } from '../support/deliveries.js'
import { freshName } from '../support/fresh.js'
import { type FreshMongo, freshMongo } from '../support/fresh-mongo.js'
import { type OwnServers, ownServers } from '../support/own.js'

let own: OwnServers
let mongo: FreshMongo
let sink: Sink
beforeAll(async () => {
  own = ownServers()
  mongo = await freshMongo((await own.mongo({ failPoints: true })).url)
  sink = await createMongoSink({ ...mongo, entities: ENTITIES })
})
afterAll(async () => {
  await sink?.close()
  await mongo?.client.close()
  await own.end()
})
beforeEach(async () => {
  await rule({})
  await fail({ failCommands: [] }, 'off')
})

function change(key: string, state: State, entity: Entity = contacts): Change {
  return { entity, key, state, origin: { partition: 0, entryId: '1-0', index: 0 } }
}
const contact = (level?: unknown, key = freshName('c')) =>
  change(key, snapshot('v1', level === undefined ? [] : [['level', level]]))
const honest = (count: number) => Array.from({ length: count }, () => contact())

/** Sets the validator of the owner. */
async function rule(validator: object): Promise<void> {
  await mongo.client.db(mongo.databases.state).command({ collMod: 'state.contacts', validator })
}

async function fail(data: object, mode: unknown): Promise<void> {
  await mongo.client.db('admin').command({ configureFailPoint: 'failCommand', mode, data })
}

async function stored(changes: readonly Change[]): Promise<number> {
  const keys = changes.map(({ key }) => key)
  return (await readStates(mongo.client.db(mongo.databases.state), contacts, keys)).size
}

const level = { $ifNull: ['$level', 1] }
/** Rules that cannot even be applied to some values: MongoDB then fails, with a code of its own for each. */
const RULES = {
  '241': { $expr: { $gt: [{ $toInt: level }, 0] } },
  '14': { $expr: { $gt: [{ $add: [level, 1] }, 0] } },
}

describe('one document that fails alone is its own fault', () => {
  it.each(Object.entries(RULES))('by %i of a rule that cannot be applied', async (code, validator) => {
    await rule(validator)
    const { write, stats } = deliveries(sink)
    const bad = contact('klingon')
    const others = honest(30)
    const { refused, postponed } = await write(...amid(others, bad))
    expect(postponed).toEqual([])
    expect([...refused.keys()]).toEqual([bad.key])
    const { reason, message } = refused.get(bad.key) as RejectedError
    expect(reason).toBe('refused_by_store')
    expect(message).toMatch(
      new RegExp(`^MongoDB cannot store this: .+ \\(code ${code}; this document alone fails`),
    )
    expect(await stored(others)).toBe(30)
    expect(stats.failing).toBeUndefined()
  })

  it('also as a replacement, and several in one batch', async () => {
    const { write } = deliveries(sink)
    const known = honest(12)
    await write(...known)
    await rule(RULES['241'])
    const news = known.map(({ key }, n) => change(key, patch('v2', [['level', n < 2 ? 'bad' : n]])))
    const { refused } = await write(...news)
    expect(new Set(refused.keys())).toEqual(new Set([known[0]?.key, known[1]?.key]))
  })

  it('though it came alone: it is postponed, and judged when another was written since', async () => {
    await rule(RULES['241'])
    const { write, stats } = deliveries(sink)
    const bad = contact('klingon')
    expect((await write(bad)).postponed).toEqual([bad.key])
    expect(stats.failing?.message).toMatch(/^MongoDB could not write to .+state\.contacts/)
    await write(change(freshName('e'), snapshot('v1', []), events))
    expect((await write(bad)).postponed).toEqual([bad.key])
    await write(...honest(1))
    expect(stats.failing).toBeUndefined()
    expect([...(await write(bad)).refused.keys()]).toEqual([bad.key])
  })
})

describe('what concerns all documents is the fault of none', () => {
  it('such as a rule that always fails: other collections are written', async () => {
    await rule({ $expr: { $toInt: '$_id' } })
    const { write, stats } = deliveries(sink)
    const [people, records] = [honest(8), honest(8).map(({ key, state }) => change(key, state, events))]
    const { refused, postponed } = await write(
      ...people.flatMap((one, n) => [one, ...records.slice(n, n + 1)]),
    )
    expect(refused.size).toBe(0)
    expect(new Set(postponed)).toEqual(new Set(people.map(({ key }) => key)))
    expect(stats.failing).toBeDefined()
    const db = mongo.client.db(mongo.databases.events)
    expect(
      (
        await readStates(
          db,
          events,
          records.map(({ key }) => key),
        )
      ).size,
    ).toBe(8)
    await rule({})
    expect(await write(...people)).toEqual({ refused: new Map(), postponed: [] })
    expect(stats.failing).toBeUndefined()
  })

  it.each([9, 14, 31, 40, 50])(
    'such as %i of some commands: all is written once it has passed',
    async (errorCode) => {
      for (let times = 1; times < 24; times += 4) {
        const { write } = deliveries(sink)
        const batch = honest(20)
        await fail({ failCommands: ['insert'], errorCode }, { times })
        const { refused, postponed } = await write(...batch)
        expect(refused.size).toBe(0)
        await fail({ failCommands: [] }, 'off')
        for (const key of postponed)
          expect(await write(...batch.filter((one) => one.key === key))).toEqual({
            refused: new Map(),
            postponed: [],
          })
        expect(await stored(batch)).toBe(20)
      }
    },
  )
})
