import type { CleanRecord, Contract } from '../../schemas/contract.js'
import { RejectedError } from '../errors.js'
import type { FeedRecord } from '../sinks/sink.js'
import { writeJson } from '../state/json.js'
import { parseTimestamp } from '../state/timestamp.js'
import { type Entry, receivedAt } from '../stream/entry.js'
import { type Decoded, decoder } from './decode.js'

/** Makes the function that turns an entry into records of the clean feed: see {@link decoder}. It is pure. */
export function createCleaner(contracts: readonly Contract[]): (entry: Entry) => Decoded<FeedRecord> {
  return decoder(contracts, 'feed', ({ name: contract, clean }) => {
    if (!clean) return undefined
    return (event, origin, { trace }) => {
      const record = clean(event)
      return {
        key: record.key,
        value: toJson(record),
        contract,
        receivedAt: receivedAt(origin.entryId),
        eventTime: eventTime(record),
        trace,
        origin,
      }
    }
  })
}

function eventTime({ timestamp }: CleanRecord): number | undefined {
  const micros = timestamp === undefined ? undefined : parseTimestamp(timestamp)
  return micros === undefined ? undefined : micros / 1_000
}

function toJson({ value }: CleanRecord): string {
  try {
    return writeJson(value)
  } catch (error) {
    // JSON.parse goes deeper than JSON.stringify.
    if (!(error instanceof RangeError)) throw error
    throw new RejectedError('refused_by_store', 'It is nested too deep to be written as JSON again')
  }
}
