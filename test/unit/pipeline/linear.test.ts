import fc from 'fast-check'
import { BSON, ObjectId } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { CONTRACTS } from '../../../schemas/index.js'
import { RejectedError } from '../../../src/errors.js'
import { createCleaner } from '../../../src/pipeline/clean.js'
import { createDecoder, type Decoded } from '../../../src/pipeline/decode.js'
import { toLetters } from '../../../src/pipeline/letters.js'
import { fromDocument, type StateDocument, toDocument } from '../../../src/sinks/mongo/document.js'
import { checkStorable } from '../../../src/sinks/mongo/storable.js'
import { encodeRow } from '../../../src/sinks/postgres/encode.js'
import { type Column, Layout } from '../../../src/sinks/postgres/layout.js'
import type { Change } from '../../../src/sinks/sink.js'
import { eventIdOf } from '../../../src/stream/dead-letters/event-id.js'
import { entryOf } from '../../support/entries.js'
import { AROUND, anyValue, COLUMN, type Filling, WHOLE } from '../../support/growing-bodies.js'
import { countOperations } from '../../support/operations.js'

const COLUMNS: readonly Column[] = (
  [
    ['first_name', 'text', 'scalar'],
    [COLUMN, 'text', 'scalar'],
    ['x', 'text', 'scalar'],
  ] as const
).map(([name, type, kind]) => ({ name, type, base: type, kind }))
const KINDS: readonly Partial<Column>[] = [
  {},
  { kind: 'json', holds: 'json' },
  { kind: 'array' },
  { kind: 'array', holds: 'json' },
  { kind: 'array', holds: 'time' },
  { holds: 'time' },
]
const LAYOUTS = KINDS.map(
  (kind) =>
    new Layout('t', 1, [
      ...COLUMNS.slice(0, 1),
      ...COLUMNS.slice(1).map((column) => ({ ...column, ...kind })),
    ]),
)

/** All that workers do with a body, but for what servers and drivers do. */
function process(source: string, body: string): void {
  const entry = entryOf(source, Buffer.from(body))
  for (const contract of CONTRACTS.filter(({ name }) => name === source))
    contract.body.matches(JSON.parse(body))
  const options = { contracts: CONTRACTS, maxClockSkewMs: 600_000, maxUnknownFields: 1_000_000 }
  for (const sink of ['postgres', 'mongo'] as const) {
    const decoded = createDecoder({ ...options, sink })(entry)
    toLetters(decoded, new Map(), sink)
    for (const change of decoded.changes) store(sink, change)
  }
  const cleaned: Decoded<unknown> = createCleaner(CONTRACTS)(entry)
  expect(cleaned).toBeDefined()
  eventIdOf(entry.body)
}

function store(sink: 'postgres' | 'mongo', { entity, key, state, origin }: Change): void {
  if (sink === 'postgres') for (const layout of LAYOUTS) orRejected(() => encodeRow(layout, key, state))
  else if (checkStorable({ entity, key, state, origin }) === undefined) {
    const document = toDocument(entity, key, state, new ObjectId(), new Date())
    fromDocument(entity, BSON.deserialize(BSON.serialize(document)) as StateDocument)
  }
}

function orRejected(work: () => unknown): void {
  try {
    work()
  } catch (error) {
    if (!(error instanceof RejectedError)) throw error
  }
}

/** Four times as much is enough to tell n² from n: it makes 16 times the operations of n². */
const [SMALL, LARGE] = [8_192, 32_768]
/** Per byte; the dearest is an event of a list that is bad. */
const MOST_OPERATIONS = 400

async function expectLinear(source: string, filling: Filling): Promise<void> {
  const [before, behind] = AROUND[source] ?? ['', '']
  const count = async (bytes: number) => {
    const body = filling(bytes, before, behind)
    JSON.parse(body)
    return (await countOperations(() => process(source, body))) / body.length
  }
  // The first run compiles, and fills memories of its own.
  await count(SMALL)
  const [small, large] = [await count(SMALL), await count(LARGE)]
  expect(large).toBeLessThan(small * 1.5 + 5)
  expect(large).toBeLessThan(MOST_OPERATIONS)
}

describe('the operations that a body costs a worker grow with its size, and not faster', () => {
  it('for any value', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...Object.keys(AROUND)), anyValue, (source, [, filling]) =>
        expectLinear(source, filling),
      ),
      { numRuns: 60 },
    )
  })

  it.each(Object.entries(WHOLE))('for %s', async (_, [source, filling]) => {
    await expectLinear(source, (bytes) => filling(bytes, '', ''))
  })

  it('which the count would show', async () => {
    const quadratic = (n: number) =>
      countOperations(() => Array.from({ length: n }, () => 'x'.repeat(n).includes('y')))
    expect((await quadratic(400)) / (await quadratic(100))).toBeGreaterThan(12)
  })
})
