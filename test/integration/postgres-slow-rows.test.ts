import fc from 'fast-check'
import { expect, it } from 'vitest'
import { BatchError, isSuspicious } from '../../src/errors.js'
import type { Change, Sink } from '../../src/sinks/sink.js'
import { deliveries } from '../support/deliveries.js'
import { type Fixture, fixture, person } from './postgres-fixture.js'

/** What the last name of a contact does to a trigger of its table. */
const KINDS = ['slow', 'refused', 'odd', 'fine'] as const
/** Honest rows of a batch. */
const HONEST = 40
/** How long a batch may keep an honest row waiting, in ms. */
const MOST_MS = 5_000
/** Of a write without a limit of its own, in ms. */
const WRITE_MS = 2_500

async function triggered(): Promise<Fixture> {
  const db = await fixture()
  await db.ask(`
    CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      CASE NEW.last_name
        WHEN 'slow' THEN PERFORM pg_sleep(60);
        WHEN 'refused' THEN RAISE EXCEPTION 'no';
        WHEN 'odd' THEN RAISE EXCEPTION 'no' USING ERRCODE = 'ZZ001';
        ELSE NULL;
      END CASE;
      RETURN NEW;
    END $$;
    CREATE TRIGGER look BEFORE INSERT OR UPDATE ON tributary.contacts FOR EACH ROW EXECUTE FUNCTION look()`)
  return db
}

/** Notes the time that writes may have used up before a row is written: not how long they took on this machine. */
function accounted(sink: Sink, of: (change: Change) => string) {
  const spent = new Map<string, number>()
  const written = new Map<Change, number>()
  const counting: Sink = {
    name: sink.name,
    ...(sink.comparison && { comparison: sink.comparison }),
    ping: (signal) => sink.ping(signal),
    close: () => sink.close(),
    write: async (changes, signal, report, limitMs) => {
      const batch = changes[0] ? of(changes[0]) : ''
      const note = (some: readonly Change[]) => {
        for (const change of some) written.set(change, spent.get(batch) ?? 0)
      }
      try {
        await sink.write(changes, signal, report, limitMs)
        note(changes)
      } catch (error) {
        if (error instanceof BatchError) note(changes.filter((change) => !error.rejected.has(change)))
        const isSlow = isSuspicious(error) && error.suspicion?.code === '57014'
        if (isSlow) spent.set(batch, (spent.get(batch) ?? 0) + (limitMs ?? WRITE_MS))
        throw error
      }
    },
  }
  return { counting, written }
}

it('slow and refused rows keep the honest rows beside them waiting for a few seconds at most', async () => {
  const db = await triggered()
  const bare = await db.sink(4)
  let run = 0
  const batch = fc.array(fc.constantFrom(...KINDS), { maxLength: 4 })
  const property = fc.asyncProperty(fc.array(batch, { minLength: 1, maxLength: 2 }), async (batches) => {
    run++
    const { counting, written } = accounted(bare, ({ key }) => key.slice(0, key.indexOf('/')))
    const { write } = deliveries(counting)
    const honest: Change[] = []
    await Promise.all(
      batches.map(async (kinds, number) => {
        const make = (name: string) =>
          person(`${run}-${number}/${name}`, 1, [['lastName', name.replace(/\d+/, '')]])
        const fine = Array.from({ length: HONEST }, (_, n) => make(`fine${n}`))
        honest.push(...fine)
        const bad = kinds.map((kind, n) => make(`${kind}${100 + n}`))
        const { refused } = await write(...fine.slice(0, HONEST / 2), ...bad, ...fine.slice(HONEST / 2))
        for (const { message } of refused.values()) expect(message).toMatch(/P0001|ZZ001|57014/)
        expect([...refused.keys()].filter((key) => key.includes('fine'))).toEqual([])
      }),
    )
    for (const change of honest) expect(written.get(change)).toBeLessThan(MOST_MS)
  })
  const worst: [('slow' | 'refused' | 'odd' | 'fine')[][]] = [
    [
      ['slow', 'odd', 'slow', 'refused'],
      ['slow', 'slow', 'slow', 'slow'],
    ],
  ]
  await fc.assert(property, { numRuns: 5, examples: [worst] })
})
