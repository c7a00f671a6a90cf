import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Column, Layout, snakeCase } from '../../../../src/sinks/postgres/layout.js'
import { type Field, join, patch, type State, snapshot } from '../../../../src/state/state.js'
import type { Version } from '../../../../src/state/version.js'

const column = (name: string, field?: string): Column => ({
  name,
  type: 'text',
  base: 'text',
  kind: 'scalar',
  ...(field !== undefined && { field }),
})
const layout = new Layout('t', 1, [
  column('first_name'),
  column('email'),
  column('lastName'),
  column('last_name'),
  column('viplevel'),
  column('updated_ts', 'timestamp'),
])
const columnOf = (field: string) => layout.columns[layout.positionOf(field) ?? -1]?.name

describe('the column of a field', () => {
  it.each([
    ['email', 'email'],
    ['firstName', 'first_name'],
    ['first_name', 'first_name'],
    ['FIRST_NAME', 'first_name'],
    ['lastName', 'lastName'],
    ['last_name', 'last_name'],
    ['vipLevel', 'viplevel'],
    ['timestamp', 'updated_ts'],
    ['updatedTs', 'updated_ts'],
    ['e_mail', undefined],
    ['id', undefined],
    ['extra', undefined],
    ['_version', undefined],
    ['__proto__', undefined],
    ['constructor', undefined],
    ['', undefined],
  ])('of %j is %j', (field, name) => {
    expect(columnOf(field)).toBe(name)
  })

  it('is sought in snake case', () => {
    const names = ['firstName', 'FirstName', 'customerID', 'URLPath', 'line2Text', 'plain', 'ALL']
    expect(names.map(snakeCase)).toEqual([
      'first_name',
      'first_name',
      'customer_id',
      'url_path',
      'line2_text',
      'plain',
      'all',
    ])
  })
})

describe('the places of a state', () => {
  const placed = (state: State) => {
    const { columns, extra } = layout.place(state)
    const inColumns = layout.columns.map(({ name }, index): [string, Field | undefined] => [
      name,
      columns[index],
    ])
    return { columns: new Map(inColumns.filter(([, field]) => field !== undefined)), extra }
  }

  it('are columns, and extra for the rest', () => {
    const { columns, extra } = placed(
      snapshot('1', [
        ['firstName', 'Ada'],
        ['tier', 'gold'],
        ['timestamp', 7],
      ]),
    )
    expect(columns).toEqual(
      new Map([
        ['first_name', { value: 'Ada', version: '1' }],
        ['updated_ts', { value: 7, version: '1' }],
      ]),
    )
    expect(extra).toEqual(new Map([['tier', { value: 'gold', version: '1' }]]))
  })

  it('are for the newest of several fields, and of those of one event for the namesake', () => {
    const value = (state: State) => placed(state).columns.get('first_name')?.value
    expect(
      value(
        snapshot('1', [
          ['firstName', 'camel'],
          ['first_name', 'snake'],
        ]),
      ),
    ).toBe('snake')
    expect(
      value(
        snapshot('1', [
          ['first_name', 'snake'],
          ['firstName', 'camel'],
        ]),
      ),
    ).toBe('snake')
    expect(
      value(
        snapshot('1', [
          ['FirstName', 'pascal'],
          ['firstName', 'camel'],
          ['FIRST_NAME', 'upper'],
        ]),
      ),
    ).toBe('upper')
    expect(value(join(snapshot('1', [['first_name', 'old']]), patch('2', [['firstName', 'new']])))).toBe(
      'new',
    )
  })

  it('are found in one pass, and one more for a column, however many spellings of it an event has', () => {
    let visits = 0
    class Counting extends Map<string, Field> {
      override *[Symbol.iterator](): MapIterator<[string, Field]> {
        for (const entry of super[Symbol.iterator]()) {
          visits++
          yield entry
        }
      }
    }
    const spellings = Array.from({ length: 2 ** 10 }, (_, bits) =>
      Array.from('first_name', (letter, i) => (bits & (1 << i) ? letter.toUpperCase() : letter)).join(''),
    )
    // Each comes before all earlier ones in the alphabet, so that it takes their place.
    const worst = [...new Set(spellings)]
      .filter((name) => name !== 'first_name')
      .sort((a, b) => (a < b ? 1 : -1))
    const fields = new Counting(worst.map((name) => [name, { value: name, version: 'v1' as Version }]))
    const { columns } = layout.place({ version: 'v1' as Version, deleted: false, fields })
    expect(columns[0]?.value).toBe('FIRST_NAME')
    expect(visits).toBeLessThanOrEqual(2 * fields.size)
  })

  it('are the same whether states are joined before or after', () => {
    const field = fc.tuple(
      fc.constantFrom('firstName', 'first_name', 'FirstName', 'email', 'tier', 'timestamp', 'updatedTs'),
      fc.nat(3),
    )
    const fields = fc.uniqueArray(field, { selector: ([name]) => name })
    const states = fc
      .array(fc.tuple(fc.boolean(), fields), { minLength: 1, maxLength: 5 })
      .map((all) => all.map(([whole, some], index) => (whole ? snapshot : patch)(String(index + 1), some)))
    /** What is placed, as a state of its own: the columns' names beside those in extra. */
    const asState = (state: State): State => {
      const { columns, extra } = placed(state)
      const all = [...columns, ...extra].flatMap(([name, one]) => (one ? [[name, one] as const] : []))
      return { ...state, fields: new Map(all.sort(([a], [b]) => (a < b ? -1 : 1))) }
    }
    const property = fc.property(states, fc.infiniteStream(fc.nat()), (all, random) => {
      const shuffled = all.map((state) => [random.next().value, state] as const).sort(([a], [b]) => a - b)
      const before = asState(all.reduce(join))
      const after = asState(shuffled.map(([, state]) => asState(state)).reduce(join))
      expect(after).toEqual(before)
    })
    fc.assert(property)
  })
})
