import { describe, expect, test } from 'vitest'
import { CONTRACTS } from '../../../../schemas/index.js'
import {
  type SampleOptions,
  type SampleRequest,
  sampleRequests,
} from '../../../../src/dev/traffic/samples.js'
import { validate } from '../../../../src/edge/validate.js'
import { createCleaner } from '../../../../src/pipeline/clean.js'
import { createDecoder } from '../../../../src/pipeline/decode.js'
import { readEvents } from '../../../../src/pipeline/read.js'
import { timestampOf } from '../../../../src/state/version.js'
import { newEntry } from '../../../support/entries.js'

const NAMES = CONTRACTS.map(({ name }) => name)
/** The decoder compares with the real clock. */
const NOW = Date.now()

function samples(options: Partial<SampleOptions> = {}): SampleRequest[] {
  return [...sampleRequests({ seed: 7, count: 2_000, now: () => NOW, ...options })]
}

const decode = createDecoder({ contracts: CONTRACTS, sink: 'mongo', maxClockSkewMs: 600_000 })
const clean = createCleaner(CONTRACTS)

function entryOf({ contract, body }: SampleRequest) {
  return { ...newEntry(contract.name, body), partition: 0, id: `${NOW}-0` }
}

/** What the workers of a sink that the contract feeds make of a request. */
function rejectionsOf(request: SampleRequest) {
  const { contract, body } = request
  if (contract.sinks.includes('feed')) return [...clean(entryOf(request)).rejected.values()]
  if (contract.sinks.includes('mongo')) return [...decode(entryOf(request)).rejected.values()]
  return [...readEvents(contract, body, false, () => undefined).rejected.values()]
}

/** What a request says, as `<entity>/<key>` and the time of the event in microseconds. */
function spokenOf(request: SampleRequest): [string, number][] {
  return decode(entryOf(request)).changes.map(({ entity, key, state }) => {
    const versions = [state.version, ...[...state.fields.values()].map(({ version }) => version)]
    return [`${entity.name}/${key}`, Math.max(...versions.filter(Boolean).map(timestampOf))]
  })
}

describe('sample requests', () => {
  test('are the same for the same seed, and of other keys for another', () => {
    const options = { late: 0.2, duplicate: 0.2, invalid: 0.2 }
    const written = () =>
      samples(options).map(({ body, kind, contract }) => `${contract.name} ${kind} ${body}`)
    expect(written()).toEqual(written())
    const keys = (seed: number) =>
      samples({ ...options, seed })
        .flatMap(spokenOf)
        .map(([key]) => key)
    const other = new Set(keys(8))
    expect(keys(7).filter((key) => other.has(key))).toEqual([])
  })

  test('cover every contract, or those that are asked for', () => {
    expect(new Set(samples().map(({ contract }) => contract.name))).toEqual(new Set(NAMES))
    expect(samples({ contracts: ['cdc'] }).every(({ contract }) => contract.name === 'cdc')).toBe(true)
    expect(() => samples({ contracts: ['unheard-of'] })).toThrow('no samples of "unheard-of"')
  })

  test('keep the shares that are asked for', () => {
    const all = samples({ count: 10_000, late: 0.1, duplicate: 0.2, invalid: 0.05 })
    const share = (of: (request: SampleRequest) => boolean) => all.filter(of).length / all.length
    expect(share(({ kind }) => kind === 'ordinary')).toBeCloseTo(0.65, 1)
    expect(share(({ kind }) => kind === 'late')).toBeCloseTo(0.1, 1)
    expect(share(({ kind }) => kind === 'duplicate')).toBeCloseTo(0.2, 1)
    expect(share(({ expect, letter }) => expect !== 'accepted' || letter !== undefined)).toBeCloseTo(0.05, 1)
    expect(() => samples({ late: 0.5, invalid: 0.6 })).toThrow('more than 1')
  })

  test('use each key again and again', () => {
    const keys = samples({ contracts: ['data-action'], keys: 10 })
      .flatMap(spokenOf)
      .map(([key]) => key)
    expect(new Set(keys).size).toBe(10)
  })

  test('that are valid pass the edge and every check of the workers', () => {
    for (const request of samples({ late: 0.1, duplicate: 0.1 })) {
      expect(request).toMatchObject({ expect: 'accepted', signature: 'right' })
      expect(request.letter).toBeUndefined()
      expect(validate(request.contract, request.body)).toBeUndefined()
      expect(rejectionsOf(request)).toEqual([])
      expect(request.body.includes('\\u0000')).toBe(false)
    }
  })

  test('tell lives: created first, nothing but a new creation after a deletion', () => {
    const living = new Set<string>()
    const verbs = new Set<string>()
    for (const { body } of samples({ contracts: ['cdc'], keys: 20 })) {
      const { eventType, eventData } = JSON.parse(body.toString())
      const verb = String(eventType).split('.')[1] ?? ''
      expect(living.has(eventData.id)).toBe(verb !== 'created')
      if (verb === 'deleted') living.delete(eventData.id)
      else living.add(eventData.id)
      verbs.add(verb)
    }
    expect(verbs).toEqual(new Set(['created', 'updated', 'deleted']))
  })

  test('that are late are at least a minute older than what was told of the same key', () => {
    const newest = new Map<string, number>()
    let late = 0
    for (const request of samples({ late: 0.2, invalid: 0.1 })) {
      if (request.expect !== 'accepted') continue
      for (const [key, micros] of spokenOf(request)) {
        if (request.kind === 'late') {
          late++
          expect(micros).toBeLessThanOrEqual((newest.get(key) ?? 0) - 60_000_000)
        } else newest.set(key, Math.max(micros, newest.get(key) ?? 0))
      }
    }
    expect(late).toBeGreaterThan(200)
  })

  test('that are duplicates repeat a body that was sent before', () => {
    const before = new Set<string>()
    for (const { kind, body } of samples({ duplicate: 0.3, late: 0.1 })) {
      if (kind === 'duplicate') expect(before).toContain(body.toString())
      before.add(body.toString())
    }
  })

  test('that the edge must refuse are refused for the reason that they name', () => {
    const all = samples({ invalid: 1 })
    for (const { contract, body, signature, kind, expect: expected } of all) {
      if (signature !== 'right') {
        const told = signature === 'missing' && contract.reportsMissingSignature
        expect(expected).toBe(told ? 'missing_signature' : 'invalid_signature')
      } else expect(validate(contract, body)?.reason ?? 'accepted', kind).toBe(expected)
    }
    const kinds = ['wrong signature', 'no signature', 'malformed JSON', 'missing id', 'no events array']
    expect(all.map(({ kind }) => kind)).toEqual(expect.arrayContaining(kinds))
  })

  test('that the workers must refuse are refused once, for the reason that they name', () => {
    const doomed = samples({ invalid: 1 }).filter(({ expect }) => expect === 'accepted')
    for (const request of doomed) {
      const reasons = rejectionsOf(request).map(({ reason }) => reason)
      if (request.letter?.reason !== 'refused_by_store') expect(reasons).toEqual([request.letter?.reason])
      else {
        expect(reasons).toEqual([])
        expect(request.letter.sinks).toEqual(['postgres'])
        expect(request.body.toString()).toContain('\\u0000')
      }
    }
    const reasons = ['unknown_type', 'future_timestamp', 'invalid_event', 'refused_by_store']
    expect(new Set(doomed.map(({ letter }) => letter?.reason))).toEqual(new Set(reasons))
  })

  test('are never badly signed where anybody may post', () => {
    const signatures = samples({ invalid: 1, unsigned: NAMES }).map(({ signature }) => signature)
    expect(new Set(signatures)).toEqual(new Set(['right']))
  })
})
