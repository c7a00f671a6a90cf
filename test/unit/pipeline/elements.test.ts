import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { elementsOf } from '../../../src/pipeline/json.js'

const texts = (json: string) => elementsOf(Buffer.from(json), 'events').map(String)

describe('the elements of an array', () => {
  it.each([
    ['{"events":[]}', []],
    ['{"events":[ ]}', []],
    ['{"events":[1]}', ['1']],
    [
      ' { "a" : [9,9] , "events" : [ 5.0 ,\n{"b":[1,2]}\t, "x,]" ,[ [ ] ]\r] , "z":1 } ',
      ['5.0', '{"b":[1,2]}', '"x,]"', '[ [ ] ]'],
    ],
    ['{"events":["\\"","\\\\",null,true,-1e3]}', ['"\\""', '"\\\\"', 'null', 'true', '-1e3']],
    ['{"\\u0065vents":[1]}', ['1']],
    ['{"events":[1],"events":[2,3]}', ['2', '3']],
    ['{"a":{"events":[1]},"b":["events",[2]],"c":"events"}', []],
    ['{"a":{"events":[1]},"events":[{"events":[7]}]}', ['{"events":[7]}']],
    ['{"events":[{"é":"ü"},"😀"]}', ['{"é":"ü"}', '"😀"']],
    ['{"events":5}', []],
    ['{}', []],
  ])('of %s', (json, expected) => {
    expect(texts(json)).toEqual(expected)
  })

  it('are the bytes of each, whatever stands around them', () => {
    const members = fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 3 })
    fc.assert(
      fc.property(members, fc.array(fc.jsonValue()), members, fc.nat(3), (before, events, after, indent) => {
        const { events: _, ...rest } = after
        const json = Buffer.from(JSON.stringify({ ...before, events, ...rest }, null, indent))
        expect(elementsOf(json, 'events').map((bytes) => JSON.parse(String(bytes)))).toEqual(
          JSON.parse(JSON.stringify(events)),
        )
      }),
    )
  })

  it('may be nested deeper than the stack', () => {
    const deep = `${'['.repeat(100_000)}1${']'.repeat(100_000)}`
    expect(texts(`{"events":[${deep},5]}`)).toEqual([deep, '5'])
  })
})
