import { describe, expect, it } from 'vitest'
import { validated } from '../../../schemas/validated.js'
import { readEvents } from '../../../src/pipeline/read.js'

const DATA = {
  channel: 'voice',
  duration_seconds: 12,
  agent_id: 'agent-1',
  customer_email: 'Ada@Example.COM',
  metadata: { priority: 'high', score: 0.5 },
}
const event = (data: object = {}, more: object = {}) => ({
  event: 'interaction.completed',
  timestamp: '2026-11-22T09:30:00Z',
  correlation_id: 'corr-1',
  ...more,
  data: { ...DATA, ...data },
})

function read(body: unknown) {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return readEvents(validated, Buffer.from(text), false, (one) => validated.clean?.(one))
}
const clean = (body: unknown) => {
  const { made, rejected } = read(body)
  expect([...rejected.values()].map(({ errors }) => errors)).toEqual([])
  return made[0]
}
const errors = (body: unknown) => {
  const { made, rejected } = read(body)
  expect([made.length, [...rejected.keys()]]).toEqual([0, [0]])
  expect(rejected.get(0)?.reason).toBe('invalid_event')
  return rejected.get(0)?.errors
}

describe('a validated event', () => {
  it('goes to the feed under its correlation id, with its e-mail in lower case', () => {
    const value = event({ customer_email: 'ada@example.com' })
    expect(clean(event())).toEqual({ key: 'corr-1', value, timestamp: value.timestamp })
  })

  it('keeps fields that no contract knows', () => {
    const more = { extra: { deep: [1] } }
    expect(clean(event(more, more))?.value).toMatchObject({ ...more, data: more })
  })

  it.each([
    [{ duration_seconds: '12' }, { duration_seconds: 12 }],
    [{ duration_seconds: '-3' }, { duration_seconds: -3 }],
    [{ duration_seconds: '1e2' }, { duration_seconds: 100 }],
    [{ metadata: { score: '12.5' } }, { metadata: { score: 12.5 } }],
    [{ metadata: { score: '7', priority: null } }, { metadata: { score: 7, priority: null } }],
    [{ metadata: undefined }, {}],
  ])('is coerced: %j', (data, expected) => {
    expect(clean(event(data))?.value).toMatchObject({ data: expected })
  })

  it.each(['12.5', '', '1e999', ' 12 ', '0x10', '9007199254740993', '٣', null, true, [], ['12'], {}, 12.5])(
    'is not coerced: a duration of %j',
    (duration_seconds) => {
      expect(errors(event({ duration_seconds }))).toEqual([
        { loc: ['data', 'duration_seconds'], msg: 'must be integer', type: 'type' },
      ])
    },
  )

  it.each(['', '1e999', ' 12 ', '0x10', 'NaN', null, false])('is not coerced: a score of %j', (score) => {
    expect(errors(event({ metadata: { score } }))).toEqual([
      { loc: ['data', 'metadata', 'score'], msg: 'must be number', type: 'type' },
    ])
  })

  it.each([{ agent_id: 7 }, { customer_email: 7 }, { channel: 5 }])(
    'is not coerced where its contract does not say so: %j',
    (data) => {
      expect(errors(event(data))).toHaveLength(1)
    },
  )

  it.each([
    'ada',
    'ada@',
    '@example.com',
    'a da@example.com',
    'ada@example.com ',
    'a@b@c',
    '',
    `${'a'.repeat(250)}@example.com`,
  ])('has no e-mail address like %j', (customer_email) => {
    expect(errors(event({ customer_email }))).toMatchObject([{ loc: ['data', 'customer_email'] }])
  })

  it.each(['fax', 'VOICE', ''])('has no channel %j', (channel) => {
    expect(errors(event({ channel }))).toEqual([
      { loc: ['data', 'channel'], msg: 'must be equal to one of the allowed values', type: 'enum' },
    ])
  })

  it('gets all its validation errors at once', () => {
    const wrong = event(
      { channel: 'fax', duration_seconds: '12', customer_email: 'x', agent_id: '', metadata: {} },
      { timestamp: '2026-02-30T00:00:00Z', correlation_id: undefined, event: 7 },
    )
    expect(
      errors(wrong)
        ?.map(({ loc, type }) => `${loc.join('.')} ${type}`)
        .sort(),
    ).toEqual([
      'correlation_id required',
      'data.agent_id minLength',
      'data.channel enum',
      'data.customer_email format',
      'data.metadata.score required',
      'event type',
      'timestamp format',
    ])
  })

  it.each(['null', '[]', '7', '"text"', '{}', '[{}]'])('is not %s', (text) => {
    expect(errors(text)?.length).toBeGreaterThan(0)
  })

  it('is refused where a number would be changed, as text as well', () => {
    const text = JSON.stringify(event({ metadata: { score: 0.5, big: '@' } })).replace('"@"', '1e999')
    expect(errors(text)).toMatchObject([{ type: 'precision' }])
    // The contract wants a number that a double can hold, however it is written.
    for (const score of ['12345678901234567890', '-9007199254740993']) {
      expect(errors(text.replace('1e999', '1').replace('0.5', score))).toMatchObject([{ type: 'precision' }])
    }
    expect(read(text.replace('1e999', '12345678901234567890')).made).toHaveLength(1)
  })
})
