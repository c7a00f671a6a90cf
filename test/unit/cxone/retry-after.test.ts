import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MOST_RETRY_AFTER_MS, parseRetryAfter } from '../../../src/cxone/retry-after.js'

const NOW = Date.UTC(2026, 10, 25, 12, 0, 0)

describe('Retry-After', () => {
  it.each([
    ['10', 10_000],
    [' 1 ', 1_000],
    ['0.5', 500],
    ['Wed, 25 Nov 2026 12:00:07 GMT', 7_000],
    ['Wednesday, 25-Nov-26 12:00:07 GMT', 7_000],
    ['Wed Nov 25 12:00:07 2026', 7_000],
    ['999999', MOST_RETRY_AFTER_MS],
    ['Wed, 25 Nov 2099 12:00:07 GMT', MOST_RETRY_AFTER_MS],
  ])('%j is a wait', (value, ms) => {
    expect(parseRetryAfter(value, undefined, NOW)).toBe(ms)
  })

  it.each([
    undefined,
    '',
    '0',
    '-5',
    '1e3',
    'soon',
    '5 apples',
    '2026-11-25T12:00:07Z',
    'Wed, 25 Nov 2026 11:59:59 GMT',
    'Wed, 99 Nov 2026 99:99:99 GMT',
  ])('%j says nothing usable', (value) => {
    expect(parseRetryAfter(value, undefined, NOW)).toBeUndefined()
  })

  it('counts a date by the clock of the server', () => {
    const date = 'Wed, 25 Nov 2026 11:00:00 GMT'
    expect(parseRetryAfter('Wed, 25 Nov 2026 11:00:05 GMT', date, NOW)).toBe(5_000)
    expect(parseRetryAfter('Wed, 25 Nov 2026 12:00:05 GMT', 'nonsense', NOW)).toBe(5_000)
  })

  it('reads back every number of seconds, and every date, within the bounds', () => {
    const inTime = fc.integer({ min: 1, max: MOST_RETRY_AFTER_MS / 1_000 })
    fc.assert(
      fc.property(inTime, (seconds) => {
        expect(parseRetryAfter(String(seconds), undefined, NOW)).toBe(seconds * 1_000)
        const date = new Date(NOW + seconds * 1_000).toUTCString()
        expect(parseRetryAfter(date, undefined, NOW)).toBe(seconds * 1_000)
      }),
    )
  })

  it('is a wait within the bounds or nothing, whatever the headers are', () => {
    const text = fc.oneof(
      fc.string(),
      fc.integer().map(String),
      fc.double().map(String),
      fc.date({ noInvalidDate: true }).map((date) => date.toUTCString()),
    )
    fc.assert(
      fc.property(text, fc.option(text, { nil: undefined }), (value, date) => {
        const ms = parseRetryAfter(value, date, NOW)
        if (ms === undefined) return
        expect(ms).toBeGreaterThan(0)
        expect(ms).toBeLessThanOrEqual(MOST_RETRY_AFTER_MS)
      }),
    )
  })
})
