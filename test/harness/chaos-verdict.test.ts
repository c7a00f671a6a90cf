import { describe, expect, test } from 'vitest'
import { CONTRACTS, ENTITIES } from '../../schemas/index.js'
import { sampleRequests } from '../../src/dev/traffic/samples.js'
import type { Field, State } from '../../src/state/state.js'
import type { Entry } from '../../src/stream/entry.js'
import { dueOf } from '../chaos/due.js'
import type { KeptLetter, KeptRecord } from '../chaos/evidence.js'
import { fatesOf, SINKS } from '../chaos/expected.js'
import { hashOf, newSent } from '../chaos/traffic.js'
import { type Case, judge, type Verdict } from '../chaos/verdict.js'
import { replay } from '../support/model.js'

const SKEW = 600_000

/** A run in which all went well, as plain data that a test can spoil. */
function goodCase() {
  const sent = newSent()
  const observed = new Map<string, Entry>()
  const now = Date.now()
  for (const { contract, body, expect: answer, letter } of sampleRequests({
    seed: 3,
    count: 400,
    invalid: 0.2,
  })) {
    if (answer !== 'accepted') continue
    const [partition, id] = [observed.size % 2, `${now}-${observed.size}`]
    const ref = `${partition}/${id}`
    observed.set(ref, { partition, id, source: contract.name, delivery: '', trace: '', body })
    sent.bodies.set(hashOf(body), letter)
    sent.acknowledged.set(ref, hashOf(body))
  }
  const fates = [...observed].flatMap(([entry, one]) =>
    SINKS.flatMap((sink) => fatesOf(one, sink, SKEW).map((fate) => ({ ...fate, sink, entry }))),
  )
  const letters: KeptLetter[] = fates.flatMap((fate) => ('reason' in fate ? fate : []))
  const records = new Map<string, KeptRecord>()
  for (const fate of fates) {
    if (!('record' in fate)) continue
    const { key, value } = fate.record
    records.set(key, { key, entry: fate.entry, value: JSON.stringify(value) })
  }
  const storeOf = (sink: 'postgres' | 'mongo') => {
    const { histories } = dueOf(sink, observed, SKEW)
    const kept = ENTITIES.filter(({ postgres }) => postgres || sink === 'mongo')
    return new Map(
      kept.map((entity) => {
        const states = new Map<string, State>()
        for (const [key, history] of histories.get(entity) ?? []) states.set(key, replay(history))
        const visible = [...states.values()].filter(({ deleted }) => !deleted).length
        return [entity, { states, visible }] as const
      }),
    )
  }
  const settled = () => false
  return {
    ...{ sent, observed, letters, records: [...records.values()], maxClockSkewMs: SKEW },
    stores: { postgres: storeOf('postgres'), mongo: storeOf('mongo') },
    unacknowledged: { postgres: settled, mongo: settled, feed: settled },
  } satisfies Case
}

const kinds = ({ findings }: Verdict) => [...new Set(findings.map(({ kind }) => kind))].toSorted()
const accountOf = ({ accounts }: Verdict, sink: string) => accounts.find((one) => one.sink === sink)

/** The first request of a contract that is delivered whole. */
function delivered(trial: Case, contract: string): string {
  for (const [ref, { source, body }] of trial.observed) {
    if (source === contract && trial.sent.bodies.get(hashOf(body)) === undefined) return ref
  }
  throw new Error(`no ${contract}`)
}

test('finds nothing where all is well, and counts it', () => {
  const verdict = judge(goodCase())
  expect(verdict.findings).toEqual([])
  for (const { accepted, delivered: there, deadLettered, pending, lost, doubled } of verdict.accounts) {
    expect([pending, lost, doubled]).toEqual([0, 0, 0])
    expect([there > 20, deadLettered > 0]).toEqual([true, true])
    expect(there + deadLettered).toBe(accepted)
  }
  // It has some of everything.
  expect(CONTRACTS.map(({ name }) => name)).toEqual(
    expect.arrayContaining([...goodCase().observed.values()].map(({ source }) => source)),
  )
})

describe('finds', () => {
  test('an acknowledged entry that no log has had, or has had with other bytes', () => {
    const trial = goodCase()
    const ref = delivered(trial, 'interaction-update')
    trial.observed.delete(ref)
    expect(kinds(judge(trial))).toEqual(['lost'])
    const other = goodCase()
    other.sent.acknowledged.set(delivered(other, 'cdc'), 'another')
    expect(kinds(judge(other))).toEqual(['altered'])
  })

  test('an event that a store has not: nowhere, or still under way', () => {
    const trial = goodCase()
    const contacts = [...trial.stores.mongo].find(([{ name }]) => name === 'contacts')?.[1]
    const [key = ''] = contacts?.states.keys() ?? []
    contacts?.states.delete(key)
    const verdict = judge(trial)
    expect(kinds(verdict)).toEqual(['different', 'lost'])
    expect(accountOf(verdict, 'mongo')?.lost).toBeGreaterThan(0)
    expect(accountOf(verdict, 'postgres')?.lost).toBe(0)
    const later = judge({ ...trial, unacknowledged: { ...trial.unacknowledged, mongo: () => true } })
    expect(accountOf(later, 'mongo')).toMatchObject({ lost: 0 })
    expect(accountOf(later, 'mongo')?.pending).toBeGreaterThan(0)
    expect(kinds(later)).toContain('pending')
  })

  test('a field with another value or version, a row too many, and what readers see wrongly', () => {
    for (const spoil of [
      (field: Field): Field => ({ ...field, value: 'other' }),
      (field: Field): Field => ({ ...field, version: `${field.version}9` }),
    ]) {
      const trial = goodCase()
      const [holding] = trial.stores.postgres.values()
      const [key, state] = [...(holding?.states ?? [])].find(([, { fields }]) => fields.size > 0) ?? []
      const [name, field] = [...(state?.fields ?? [])][0] ?? []
      if (!key || !state || !name || !field) throw new Error('no field')
      holding?.states.set(key, { ...state, fields: new Map([...state.fields, [name, spoil(field)]]) })
      expect(kinds(judge(trial))).toEqual(['different'])
    }
    const trial = goodCase()
    const [holding] = trial.stores.mongo.values()
    holding?.states.set('stranger', replay([]))
    expect(kinds(judge(trial))).toEqual(['different'])
    const [first] = trial.stores.postgres
    if (first) trial.stores.postgres.set(first[0], { ...first[1], visible: 0 })
    expect(
      judge(trial)
        .findings.map(({ what }) => what)
        .join(),
    ).toContain('readers see 0')
  })

  test('letters that are missing, doubled, not true or without cause', () => {
    const trial = goodCase()
    const [first, ...others] = trial.letters.filter(({ reason }) => reason !== 'refused_by_store')
    const rest = trial.letters.filter((letter) => letter !== first)
    if (!first || !others[0]) throw new Error('no letters')
    expect(kinds(judge({ ...trial, letters: rest }))).toEqual(['lost', 'missing'])
    const twice = judge({ ...trial, letters: [...trial.letters, first] })
    expect(kinds(twice)).toEqual(['doubled'])
    expect(accountOf(twice, first.sink)?.doubled).toBe(1)
    const wrong = { ...first, reason: 'unknown_type' === first.reason ? 'invalid_event' : 'unknown_type' }
    expect(kinds(judge({ ...trial, letters: [...rest, wrong] }))).toEqual(['letter'])
    const entry = delivered(trial, 'cdc')
    const needless = { sink: 'mongo', entry, index: 0, reason: 'poison' }
    expect(kinds(judge({ ...trial, letters: [...trial.letters, needless] }))).toEqual(['letter'])
  })

  test('records of the feed that are missing, doubled or not what was sent', () => {
    const trial = goodCase()
    const [first, ...rest] = trial.records
    if (!first) throw new Error('no record')
    expect(kinds(judge({ ...trial, records: rest }))).toEqual(['lost', 'missing'])
    expect(kinds(judge({ ...trial, records: [...trial.records, first] }))).toEqual(['doubled'])
    expect(kinds(judge({ ...trial, records: [...rest, { ...first, value: '{}' }] }))).toEqual(['different'])
  })

  test('refusals that were answered and not kept, odd answers, and entries that the run has not sent', () => {
    const trial = goodCase()
    trial.sent.byAnswer['400 malformed_json'] = 1
    expect(kinds(judge(trial))).toEqual(['lost'])
    const odd = goodCase()
    odd.sent.unexpected.push('400')
    odd.sent.bodies.delete(hashOf(odd.observed.get(delivered(odd, 'cdc'))?.body ?? Buffer.alloc(0)))
    expect(kinds(judge(odd))).toEqual(['answer', 'stranger'])
  })
})
