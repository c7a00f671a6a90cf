import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatTimestamp, parseTimestamp } from '../../src/state/timestamp.js'
import { fixture } from './postgres-fixture.js'

describe('a timestamp', () => {
  test('means to Postgres what it means to us', async () => {
    const { ask } = await fixture()
    const two = (most: number) => fc.nat(most).map((n) => String(n).padStart(2, '0'))
    const written = fc
      .tuple(
        fc.constantFrom('0001', '1684', '1969', '2016', '2024', '2025', '2026', '2254'),
        fc.tuple(two(13), two(32)),
        fc.constantFrom('T', 't', ' '),
        fc.tuple(two(24), two(60), two(61)),
        fc.constantFrom('', '.1', '.123456', '.999999'),
        fc.oneof(
          fc.constantFrom(
            'Z',
            'z',
            '+00',
            '+0000',
            '-00:00',
            '+1',
            '+010',
            '+15:59',
            '+1559',
            '-15',
            '+16',
            '+23:59',
          ),
          fc
            .tuple(fc.constantFrom('+', '-'), two(17), fc.constantFrom('', ':'), two(60))
            .map((o) => o.join('')),
        ),
      )
      .map(
        ([year, day, t, time, fraction, zone]) =>
          `${[year, ...day].join('-')}${t}${time.join(':')}${fraction}${zone}`,
      )
    const texts = fc.sample(written, 20_000)
    const found = await ask<{ text: string; micros: string | null }>(
      `SELECT text, CASE WHEN pg_input_is_valid(text, 'timestamptz')
         THEN (extract(epoch FROM text::timestamptz) * 1000000)::bigint END AS micros
       FROM unnest($1::text[]) AS text`,
      [texts],
    )
    const ours = found.flatMap(({ text, micros }) => {
      const parsed = parseTimestamp(text)
      return parsed === undefined ? [] : [{ text, parsed, micros: micros === null ? null : Number(micros) }]
    })
    expect(ours.length).toBeGreaterThan(1_000)
    // Postgres takes a leap second, but not the rest of one that is later than 24:00:00.
    const isPastMidnight = (text: string) => /23:59:60\.\d*[1-9]/.test(text)
    const compared = ours.filter(({ text }) => !isPastMidnight(text))
    expect(compared.filter(({ parsed, micros }) => parsed !== micros)).toEqual([])
    const [formatted] = await ask<{ same: boolean }>('SELECT $1::timestamptz = $2::timestamptz AS same', [
      formatTimestamp(1_763_780_760_000_007),
      '2025-11-22T03:06:00.000007Z',
    ])
    expect(formatted?.same).toBe(true)
  })
})
