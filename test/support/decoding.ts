import { expect } from 'vitest'
import { CONTRACTS } from '../../schemas/index.js'
import { createDecoder } from '../../src/pipeline/decode.js'
import { entryOf } from './entries.js'

/** How far in the future an event may lie in these tests, in ms. */
export const SKEW_MS = 600_000
/** A little before the receipt of {@link entryOf}. */
export const TIMESTAMP = '2025-11-22T03:00:00.123456Z'
export const decode = createDecoder({ contracts: CONTRACTS, sink: 'mongo', maxClockSkewMs: SKEW_MS })

/** A body of the contract `cdc`. */
export const cdc = (eventType: string, eventData: unknown = { id: 'c1' }, timestamp = TIMESTAMP) => ({
  webhookId: 'w',
  eventType,
  timestamp,
  eventData,
})

/** The one change that a body means. */
export function only(source: string, body: unknown) {
  const { changes, rejected } = decode(entryOf(source, body))
  expect([...rejected.values()]).toEqual([])
  expect(changes).toHaveLength(1)
  const [change] = changes
  if (!change) throw new Error('no change')
  const fields = Object.fromEntries([...change.state.fields].map(([name, { value }]) => [name, value]))
  return { ...change, fields }
}

/** The reasons that a body is refused for, by index. */
export function refusals(source: string, body: unknown) {
  return [...decode(entryOf(source, body)).rejected].map(([index, { reason }]) => [index, reason])
}
