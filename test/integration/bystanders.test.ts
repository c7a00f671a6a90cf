import { Agent } from 'node:http'
import fc from 'fast-check'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { CONTRACTS, ENTITIES } from '../../schemas/index.js'
import { migratePostgres } from '../../src/sinks/postgres/migrate/migrate.js'
import { startBystanders } from '../support/bystanders.js'
import { post } from '../support/edge.js'
import { openInProcess } from '../support/in-process.js'

interface Body {
  readonly contract: string
  readonly body: string
}

/** What the promise allows, ten times: this machine also runs other tests. */
const LONGEST_MS = 50_000

/** What owners do to a table; the status of a row tells the trigger what to do. */
const TABLE = `
  ALTER TABLE tributary.contacts ADD UNIQUE (email), ADD CHECK (phone <> 'bad'),
    ADD COLUMN lang regconfig, ADD COLUMN tags text[], ADD COLUMN rank integer;
  CREATE FUNCTION public.whims() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.status LIKE 'raise %' THEN
      RAISE EXCEPTION 'a whim' USING ERRCODE = substr(NEW.status, 7);
    ELSIF NEW.status = 'slow' THEN PERFORM pg_sleep(120);
    ELSIF NEW.status = 'sluggish' THEN PERFORM pg_sleep(1);
    END IF; RETURN NEW; END $$;
  CREATE TRIGGER whims BEFORE INSERT OR UPDATE ON tributary.contacts FOR EACH ROW EXECUTE FUNCTION public.whims()`

/** Stands for the run in a key: each run has keys of its own. */
const RUN = 'run-'
const key = fc.constantFrom('k1', 'k2', 'k3')
const many = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index))
const named = (entries: readonly (readonly [string, unknown])[]) =>
  JSON.stringify(Object.fromEntries(entries))
const nested = (name: string, depth: number, open: string, close: string) =>
  `{"${name}":${open.repeat(depth)}1${close.repeat(depth)}}`
/** All ways to write a name of ten letters in small and capital ones. */
const spelled = (name: string, index: number) =>
  [...name].map((letter, place) => ((index >> place) & 1 ? letter.toUpperCase() : letter)).join('')

/** Fields of one event's entity as a JSON object below 1 MiB. As text, for some are nested too deep to be written. */
const hostile = fc.oneof(
  // wide: stored, or refused for being too wide
  fc
    .tuple(fc.constantFrom(900, 20_000, 60_000), fc.nat(2))
    .map(([count, from]) => named(many(count, (n) => [`f${from * 500 + n}`, 1]))),
  // many names for one column
  fc.constant(
    named(many(1 << 15, (n) => [spelled('externalidxxxxx', n).replace(/xxxxx$/i, '') + (n >> 10), n])),
  ),
  fc.constant(named(many(1 << 9, (n) => [spelled('firstName', n), n]))),
  // deep
  fc.constantFrom(5_000, 90_000).map((depth) => nested('tags', depth, '[', ']')),
  fc.constantFrom(5_000, 60_000).map((depth) => nested('tier', depth, '{"a":', '}')),
  // long
  fc.constant(JSON.stringify({ firstName: '\\"'.repeat(200_000) })),
  fc.constant(JSON.stringify({ email: 'x'.repeat(500_000) })),
  fc.constant(JSON.stringify({ tier: many(200_000, (n) => n % 10) })),
  // swapped
  fc.constantFrom('a@x', 'b@x', 'c@x').map((email) => JSON.stringify({ email })),
  // refused, each in its own way
  fc
    .constantFrom(
      'raise P0001',
      'raise P0002',
      'raise P0003',
      'raise 21000',
      'raise 42501',
      'raise ZZ001',
      'raise 55000',
    )
    .map((status) => JSON.stringify({ status })),
  fc.constantFrom('klingon', 'english').map((lang) => JSON.stringify({ lang })),
  fc.constant(JSON.stringify({ phone: 'bad' })),
  fc.constant(JSON.stringify({ rank: 'high' })),
  fc.constantFrom('slow', 'sluggish').map((status) => JSON.stringify({ status })),
)
const event = fc.record({
  key,
  operation: fc.constantFrom('created', 'updated', 'updated', 'deleted'),
  second: fc.integer({ min: 10, max: 40 }),
  fields: hostile,
})
const cdcBody = event.map(({ key: id, operation, second, fields }) => ({
  contract: 'cdc',
  body:
    `{"webhookId":"w","eventType":"contact.${operation}","timestamp":"2026-11-22T09:30:${second}Z",` +
    `"eventData":{"id":"${RUN}${id}",${fields.slice(1)}}`,
}))
const listBody = fc.constantFrom('{}', '1', '{"id":"x"}', '{"id":"x","timestamp":"soon"}').map((one) => ({
  contract: 'contact-sync',
  body: `{"events":[${many(Math.floor(900_000 / (one.length + 1)), () => one).join(',')}]}`,
}))
const history = fc.array(fc.oneof({ weight: 9, arbitrary: cdcBody }, { weight: 1, arbitrary: listBody }), {
  minLength: 6,
  maxLength: 14,
})

test('no body, alone or in any sequence, holds up the events of other keys', async () => {
  const tributary = await openInProcess({ contracts: CONTRACTS })
  onTestFinished(() => tributary.end())
  const { edge, database } = tributary
  const client = new pg.Client({ connectionString: database.postgresUrl })
  await client.connect()
  await client.query(TABLE)
  await client.end()
  const signal = new AbortController().signal
  await migratePostgres({ url: database.postgresUrl, entities: ENTITIES, report: () => undefined, signal })
  const agent = new Agent({ keepAlive: true, maxSockets: 4 })
  onTestFinished(() => agent.destroy())

  const send = async (run: number, { contract: name, body }: Body) => {
    const contract = CONTRACTS.find((one) => one.name === name)
    if (contract === undefined) throw new Error(`there is no contract ${name}`)
    return (await post(edge.edge, contract, body.replace(RUN, `${run}-`), { agent })).status
  }
  const longest: number[] = []
  const property = fc.asyncProperty(history, async (bodies) => {
    const bystanders = await startBystanders(tributary)
    try {
      const answers = await Promise.all(bodies.map((body) => send(longest.length, body)))
      expect([202, 400]).toEqual(expect.arrayContaining(answers))
    } finally {
      longest.push(await bystanders.end())
    }
    expect(longest.at(-1)).toBeLessThan(LONGEST_MS)
  })
  await fc.assert(property, { numRuns: 12, endOnFailure: true })
  process.stderr.write(`longest ms of each run: ${longest.map(Math.round).join(' ')}\n`)
})
