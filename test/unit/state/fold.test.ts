import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fold } from '../../../src/state/fold.js'
import { patch, snapshot } from '../../../src/state/state.js'
import { plain, replay, stateOf, told } from '../../support/model.js'

const people = { name: 'people' }
const calls = { name: 'calls' }
const changes = fc.uniqueArray(
  fc.record({
    entity: fc.constantFrom(people, calls),
    key: fc.constantFrom('1', '2', '__proto__', 'constructor'),
    told,
  }),
  { selector: ({ told: { at } }) => JSON.stringify(at), maxLength: 15 },
)

describe('fold', () => {
  it('makes one change an entity and key, whose state is that of its history', () => {
    fc.assert(
      fc.property(changes, (events) => {
        const batch = events.map((event) => ({ ...event, state: stateOf(event.told) }))
        const folded = fold(batch)
        const places = [...folded.keys()].map(({ entity, key }) => `${entity.name} ${key}`)
        expect(new Set(places).size).toBe(places.length)
        expect(new Set(places)).toEqual(new Set(batch.map(({ entity, key }) => `${entity.name} ${key}`)))
        for (const [change, parts] of folded) {
          expect(parts).toEqual(
            batch.filter(({ entity, key }) => entity === change.entity && key === change.key),
          )
          expect(plain(change.state)).toEqual(plain(replay(parts.map((part) => part.told))))
        }
      }),
    )
  })

  it('leaves a change that is alone as it is, and joined ones untouched', () => {
    const alone = { entity: people, key: 'alone', state: snapshot('v1', [['a', 1]]) }
    const first = { entity: people, key: 'k', state: snapshot('v1', [['a', 1]]), origin: 'first' }
    const second = { entity: people, key: 'k', state: patch('v2', [['a', 2]]), origin: 'second' }
    const folded = fold([first, alone, second])
    expect(folded.has(alone)).toBe(true)
    const [joined] = folded.keys()
    expect(joined).toMatchObject({ key: 'k', origin: 'first' })
    expect(joined?.state.fields.get('a')).toEqual({ value: 2, version: 'v2' })
    expect(first.state.fields.get('a')).toEqual({ value: 1, version: 'v1' })
    expect(folded.get(joined ?? alone)).toEqual([first, second])
  })
})
