import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BatchError } from '../../src/errors.js'
import { formatTimestamp, parseTimestamp } from '../../src/state/timestamp.js'
import { fixture, NEVER, person, rejection, rows } from './postgres-fixture.js'

/** Columns of many kinds, by their names. */
const TYPES = `
  CREATE DOMAIN public.doc AS jsonb; CREATE DOMAIN public.paper AS public.doc;
  CREATE DOMAIN public.papers AS public.paper[];
  CREATE DOMAIN public.moment AS timestamptz; CREATE DOMAIN public.later AS public.moment;
  CREATE DOMAIN public.moments AS public.later[]`
const COLUMNS: Readonly<Record<string, string>> = {
  docs: 'jsonb[]',
  old_docs: 'json[]',
  paper: 'public.paper',
  papers: 'public.papers',
  paper_list: 'public.paper[]',
  seen: 'timestamptz',
  local: 'timestamp',
  day: 'date',
  clock: 'time',
  zoned: 'timetz',
  later: 'public.later',
  seen_list: 'timestamptz[]',
  moments: 'public.moments',
  stay: 'tstzrange',
  shift: 'tsrange',
  days: 'daterange',
  stays: 'tstzmultirange',
  shifts: 'tsrange[]',
}

async function withColumns() {
  const database = await fixture()
  await database.ask(TYPES)
  for (const [name, type] of Object.entries(COLUMNS))
    await database.ask(`ALTER TABLE tributary.contacts ADD COLUMN ${name} ${type}`)
  await database.migrate()
  return { ...database, sink: await database.sink() }
}

test('a value of a column of JSON is as it was sent, whatever the column is called', async () => {
  const { sink, ask } = await withColumns()
  const values = ['1', 1, 'text', 'null', null, true, [1, ['x']], [], { a: 'b"c\\' }]
  await sink.write(
    [
      person('c', 1, [
        ...['docs', 'oldDocs', 'papers', 'paperList'].map((name): [string, unknown] => [name, values]),
        ['paper', '1'],
      ]),
    ],
    NEVER,
  )
  const [row] = await ask('SELECT docs, old_docs, papers, paper_list, paper FROM tributary.contacts')
  const lists = await ask(
    `SELECT to_json(docs) AS a, to_json(old_docs) AS b, to_json(papers) AS c, to_json(paper_list) AS d
     FROM tributary.contacts`,
  )
  expect(lists).toEqual([{ a: values, b: values, c: values, d: values }])
  expect(row?.paper).toBe('1')
})

const EVALUATED = [
  'now',
  'today',
  'tomorrow',
  'yesterday',
  'epoch',
  'infinity',
  '-infinity',
  'allballs',
  ' NOW ',
]
const AMBIGUOUS = [
  '261101',
  '20261101',
  '1/2/2026',
  '01-02-2026',
  'Nov 1, 2026',
  '2026-11-01 09:30 PST',
  '+1',
  '1763780760',
]
const JOINED = [
  '{now}',
  '{2026-11-01,"now"}',
  '[now,)',
  '[2026-11-01,tomorrow]',
  '{[now,today)}',
  '{"[now,)"}',
  '{"n\\ow"}',
]
const ODD = [261101, 20261101, 1763780760, 0, true, { at: 'now' }]

test('Postgres evaluates no text for a date or a time', async () => {
  const { sink, ask } = await withColumns()
  const names = Object.keys(COLUMNS).slice(5)
  const values = [...EVALUATED, ...AMBIGUOUS, ...JOINED, ...ODD]
  const changes = names.flatMap((name) =>
    values.flatMap((value, at) => [
      person(`${name}-${at}`, 1, [[name, value]]),
      ...(/_list|s$/.test(name) ? [person(`${name}-${at}-list`, 1, [[name, [value]]])] : []),
      ...(/stay|shift|days/.test(name) ? [person(`${name}-${at}-range`, 1, [[name, `[${value},)`]])] : []),
    ]),
  )
  const error = await rejection(sink.write(changes, NEVER))
  if (!(error instanceof BatchError)) throw error
  const written = await ask<{ id: string }>('SELECT id FROM tributary.contacts')
  expect(written).toEqual([])
  expect(error.rejected.size).toBe(changes.length)
  const message = String(error.rejected.get(changes[0] ?? { key: '' })?.message)
  expect(message).toContain('"seen" is a column for dates or times, and "now" is none')
})

test.each([
  ['seen', '2026-11-01T09:30:00.1234567Z', '2026-11-01T09:30:00.123456+00:00'],
  ['seen', '2026-11-01 09:30:00.9999999+0130', '2026-11-01T08:00:00.999999+00:00'],
  ['seen', '2026-11-01t09:30:00-03', '2026-11-01T12:30:00+00:00'],
  ['seen', '2026-11-01T09:30:00', '2026-11-01T09:30:00+00:00'],
  ['seen', '2026-11-01', '2026-11-01T00:00:00+00:00'],
  ['later', '2026-11-01T09:30:00.1234567z', '2026-11-01T09:30:00.123456+00:00'],
  ['local', '2026-11-01T09:30:00.1234567Z', '2026-11-01T09:30:00.123456'],
  ['local', '2026-11-01T09:30', '2026-11-01T09:30:00'],
  ['day', '2026-11-01', '2026-11-01'],
  ['day', '2026-11-01T23:30:00-05:00', '2026-11-01'],
  ['clock', '09:30:00.1234567', '09:30:00.123456'],
  ['clock', '2026-11-01 09:30:00', '09:30:00'],
  ['zoned', '09:30+0100', '09:30:00+01'],
  ['seen_list', ['2026-11-01T09:30:00.1234567Z', null], ['2026-11-01T09:30:00.123456+00:00', null]],
  [
    'seen_list',
    '{2026-11-01,"2026-11-01 09:30:00.1234567Z"}',
    ['2026-11-01T00:00:00+00:00', '2026-11-01T09:30:00.123456+00:00'],
  ],
  ['moments', ['2026-11-01T09:30:00.1234567Z'], ['2026-11-01T09:30:00.123456+00:00']],
  [
    'stay',
    '[2026-11-01T09:30:00.1234567Z, 2026-11-02)',
    '["2026-11-01 09:30:00.123456+00","2026-11-02 00:00:00+00")',
  ],
  ['stay', 'empty', 'empty'],
  ['days', '[2026-11-01,2026-11-03)', '[2026-11-01,2026-11-03)'],
  [
    'stays',
    '{[2026-11-01T00:00:00Z,2026-11-02T00:00:00Z)}',
    '{["2026-11-01 00:00:00+00","2026-11-02 00:00:00+00")}',
  ],
  ['shifts', ['[2026-11-01,2026-11-02)'], ['["2026-11-01 00:00:00","2026-11-02 00:00:00")']],
])('%s: %j', async (name, value, stored) => {
  const { sink, ask } = await withColumns()
  await sink.write([person('c', 1, [[name, value]])], NEVER)
  await ask("SET TimeZone = 'UTC'")
  expect(await ask(`SELECT to_jsonb(${name}) AS value FROM tributary.contacts`)).toEqual([{ value: stored }])
})

test('what Postgres would evaluate stays in extra when it gets a column', async () => {
  const database = await fixture()
  const sink = await database.sink()
  const values = ['now', '2026-11-01T09:30:00.1234567Z', 261101]
  await sink.write(
    values.map((value, at) => person(`c${at}`, 1, [['seenAt', value]])),
    NEVER,
  )
  await database.ask('ALTER TABLE tributary.contacts ADD COLUMN seen_at timestamptz')
  expect(await database.migrate()).toContain(
    'Postgres: 2 values do not fit seen_at timestamp with time zone and stay in extra',
  )
  expect(await rows(database)).toMatchObject([
    { id: 'c0', extra: { seenAt: 'now' } },
    { id: 'c1', seen_at: '2026-11-01T09:30:00.123456+00:00' },
    { id: 'c2', extra: { seenAt: 261101 } },
  ])
})

test('whole numbers beyond 2^53 are kept exactly, in columns, in extra, and on their way to a column', async () => {
  const database = await fixture()
  await database.ask(
    'ALTER TABLE tributary.contacts ADD COLUMN big bigint, ADD COLUMN exact numeric, ADD COLUMN doc jsonb, ADD COLUMN bigs numeric[]',
  )
  await database.migrate()
  const sink = await database.sink()
  const [int64, huge] = [9223372036854775807n, BigInt('9'.repeat(1_000))]
  const fields: [string, unknown][] = [
    ['big', int64],
    ['exact', huge],
    ['doc', { a: [int64, huge] }],
    ['bigs', [int64, 1]],
    ['later', -12345678901234567890n],
    ['laterDoc', [huge]],
    ['status', int64],
  ]
  await sink.write([person('c', 1, fields)], NEVER)
  const read = `SELECT big::text, exact::text, doc::text, bigs::text, status, extra::text FROM tributary.contacts`
  expect(await database.ask(read)).toEqual([
    {
      ...{ big: `${int64}`, exact: `${huge}`, doc: `{"a": [${int64}, ${huge}]}`, bigs: `{${int64},1}` },
      ...{ status: `${int64}`, extra: `{"later": -12345678901234567890, "laterDoc": [${huge}]}` },
    },
  ])
  await database.ask('ALTER TABLE tributary.contacts ADD COLUMN later numeric, ADD COLUMN later_doc jsonb')
  await database.migrate()
  const moved = 'SELECT later::text, later_doc::text, extra FROM tributary.contacts'
  expect(await database.ask(moved)).toEqual([
    { later: '-12345678901234567890', later_doc: `[${huge}]`, extra: null },
  ])
  const error = await rejection(sink.write([person('d', 1, [['big', int64 + 1n]])], NEVER))
  expect(error).toBeInstanceOf(BatchError)
})

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
    expect(ours.filter(({ parsed, micros }) => parsed !== micros)).toEqual([])
    const [formatted] = await ask<{ same: boolean }>('SELECT $1::timestamptz = $2::timestamptz AS same', [
      formatTimestamp(1_763_780_760_000_007),
      '2025-11-22T03:06:00.000007Z',
    ])
    expect(formatted?.same).toBe(true)
  })
})
