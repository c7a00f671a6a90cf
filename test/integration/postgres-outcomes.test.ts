import { describe, expect, it } from 'vitest'
import { BatchError, type RejectedError, TransientError } from '../../src/errors.js'
import { meaningOf } from '../../src/sinks/postgres/outcomes.js'
import type { PostgresSink } from '../../src/sinks/postgres/sink.js'
import type { Change } from '../../src/sinks/sink.js'
import { type Fixture, fixture, NEVER, person, rejection } from './postgres-fixture.js'

/** A contact at which the table raises an error: its first name is the SQLSTATE. */
const marked = (key: string, code: string) => person(key, 1, [['firstName', code]])

/** The rows are refused `times` times, and what the server is asked for is counted. */
async function faulty(
  times: number,
): Promise<{ db: Fixture; sink: PostgresSink; attempts(): Promise<number> }> {
  const db = await fixture()
  await db.ask(`
    CREATE SEQUENCE strikes; CREATE SEQUENCE attempts;
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      PERFORM nextval('public.attempts');
      RETURN NULL;
    END $$;
    CREATE FUNCTION strike() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF nextval('public.strikes') <= ${times} THEN
        RAISE EXCEPTION 'the server has it in for %', NEW.id USING ERRCODE = NEW.first_name;
      END IF;
      RETURN NEW;
    END $$;
    CREATE TRIGGER note BEFORE INSERT ON tributary.contacts EXECUTE FUNCTION note();
    CREATE TRIGGER strike BEFORE INSERT ON tributary.contacts FOR EACH ROW
      WHEN (NEW.first_name <> 'fine') EXECUTE FUNCTION strike()`)
  const attempts = async () => {
    const [row] = await db.ask<{ last_value: string }>('SELECT last_value FROM attempts')
    return Number(row?.last_value)
  }
  return { db, sink: await db.sink(1), attempts }
}

function batchOf(count: number, guilty: ReadonlyMap<number, string>): Change[] {
  return Array.from({ length: count }, (_, index) => marked(`c-${index}`, guilty.get(index) ?? 'fine'))
}

async function count({ ask }: Fixture): Promise<number> {
  const [row] = await ask<{ count: number }>('SELECT count(*)::int FROM tributary.contacts')
  return row?.count ?? -1
}

async function refusals(writing: Promise<void>): Promise<Map<string, RejectedError>> {
  const error = await rejection(writing)
  if (!(error instanceof BatchError)) throw error
  return new Map(Array.from(error.rejected as Map<Change, RejectedError>, ([{ key }, why]) => [key, why]))
}

describe('a row that Postgres refuses for good', () => {
  it.each([
    '22000',
    '22003',
    '22P02',
    '23000',
    '23502',
    '23503',
    '23505',
    '23514',
    '23P01',
    '54000',
    '54001',
    'P0001',
    'P0004',
  ])('by %s is rejected in its words, alone, in few attempts', async (code) => {
    expect(meaningOf(code)?.outcome).toBe('final')
    const { db, sink, attempts } = await faulty(1_000)
    const guilty = [3, 4, 100, 255]
    const batch = batchOf(256, new Map(guilty.map((index) => [index, code])))
    const refused = await refusals(sink.write(batch, NEVER))
    expect([...refused.keys()]).toEqual(guilty.map((index) => `c-${index}`))
    for (const [key, { reason, message }] of refused) {
      expect(reason).toBe('refused_by_store')
      expect(message).toContain(`the server has it in for ${key} (${code}, ${meaningOf(code)?.says}`)
    }
    expect(await count(db)).toBe(batch.length - guilty.length)
    expect(await attempts()).toBeLessThanOrEqual(1 + 2 * guilty.length * Math.log2(batch.length))
  })

  it('at the commit is found as well', async () => {
    const { db, sink } = await faulty(0)
    await db.ask(`
      ALTER TABLE tributary.contacts ADD CONSTRAINT one_badge UNIQUE (external_id) DEFERRABLE INITIALLY DEFERRED`)
    const badge = (key: string, id: string) =>
      person(key, 1, [
        ['firstName', 'fine'],
        ['externalId', id],
      ])
    const refused = await refusals(sink.write([badge('a', '1'), badge('b', '2'), badge('c', '1')], NEVER))
    expect([...refused.keys()]).toEqual(['c'])
    expect(refused.get('c')?.message).toMatch(/"one_badge" \(23505.*Key \(external_id\)=\(1\) already exists/)
    expect(await count(db)).toBe(2)
  })

  it('because its type cannot read the value is found whatever the code', async () => {
    const { db, sink } = await faulty(0)
    await db.ask('ALTER TABLE tributary.contacts ADD COLUMN search tsquery')
    await db.migrate()
    const query = (key: string, search: string) =>
      person(key, 1, [
        ['firstName', 'fine'],
        ['search', search],
      ])
    const refused = await refusals(
      sink.write([query('a', 'cat & dog'), query('b', 'cat &'), query('c', 'x')], NEVER),
    )
    expect([...refused.keys()]).toEqual(['b'])
    expect(refused.get('b')?.message).toMatch(/no operand in tsquery: "cat &" \(column search, 42601/)
    expect(await count(db)).toBe(2)
  })
})

describe('what is no fault of a row', () => {
  it.each([
    '08006',
    '0A000',
    '21000',
    '25006',
    '28000',
    '28P01',
    '3D000',
    '40001',
    '40P01',
    '42501',
    '42601',
    '42P01',
    '53100',
    '53200',
    '53300',
    '53400',
    '55P03',
    '57014',
    '57P01',
    '57P02',
    '57P03',
    '58030',
    'XX000',
    'XX001',
  ])('such as %s writes nothing, rejects nothing, and is written once it has passed', async (code) => {
    expect(meaningOf(code)?.outcome).not.toBe('final')
    const { db, sink, attempts } = await faulty(2)
    const batch = batchOf(20, new Map([[7, code]]))
    for (let attempt = 1; attempt <= 2; attempt++) {
      const error = await rejection(sink.write(batch, NEVER))
      expect(error).toBeInstanceOf(TransientError)
      expect(String(error)).toContain(`could not write 20 rows: the server has it in for c-7 (${code}: `)
      expect(await count(db)).toBe(0)
      expect(await attempts()).toBe(attempt)
    }
    await sink.write(batch, NEVER)
    expect(await count(db)).toBe(batch.length)
  })
})
