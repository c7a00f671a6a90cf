import type { Contract } from '../../schemas/contract.js'
import type { DeadLetterRecord } from '../stream/dead-letters/record.js'
import type { Redriven } from '../stream/dead-letters/redrive.js'
import type { Entry } from '../stream/entry.js'
import { EDGE, type Origin } from '../stream/origin.js'
import { createCleaner } from './clean.js'
import { createDecoder, type Decoded, type Limits } from './decode.js'
import { readEvents } from './read.js'

/**
 * A letter from the edge never was an entry, so its place in the log is made from its own id. This offset is above every
 * partition number, so no entry has the same place.
 */
const EDGE_PARTITIONS = 256

/** Why a letter would be dead-lettered again. */
export interface Failure {
  readonly reason: string
  readonly message: string
}

/** The expected result of a redrive. */
export interface RedrivePreview {
  readonly redriven: Redriven
  /** Why it would be dead-lettered again; `undefined`: it would be written to its sink, which may refuse it. */
  readonly failure: Failure | undefined
}

/** Makes the function that predicts the result of a letter's redrive, by the contracts of this version. */
export function createJudge(
  contracts: readonly Contract[],
  limits: Limits,
): (letter: DeadLetterRecord) => RedrivePreview {
  const decoders = new Map<string, (entry: Entry) => Decoded<unknown>>()
  for (const sink of new Set(contracts.flatMap(({ sinks }) => sinks))) {
    decoders.set(
      sink,
      sink === 'feed' ? createCleaner(contracts) : createDecoder({ contracts, sink, ...limits }),
    )
  }
  return (letter) => {
    const redriven = toEntry(letter)
    const { partition, source, sink, body } = letter
    const contract = contracts.find(({ name }) => name === source)
    if (contract && sink !== EDGE && !contract.sinks.some((name) => name === sink)) {
      const message = `${source} does not feed ${sink}, so no worker would read it`
      return { redriven, failure: { reason: 'unknown_type', message } }
    }
    // The id that the entry would get now.
    const id = `${Date.now()}-0`
    const entry = { ...redriven.entry, partition, id, origin: redriven.origin }
    const meanings = [...decoders.values()].map((decode) => decode(entry))
    // If only some events fail, those become letters of their own.
    if (meanings.some(({ changes }) => changes.length > 0)) return { redriven, failure: undefined }
    const [failure] = meanings.flatMap(({ rejected }) => [...rejected.values()])
    if (failure || !contract || sink !== EDGE) return { redriven, failure }
    // No known sink takes this contract, so only the shape can be checked.
    const [misshapen] = readEvents(contract, body, false, () => undefined).rejected.values()
    return { redriven, failure: misshapen }
  }
}

function toEntry(letter: DeadLetterRecord): Redriven {
  const { streamId, source, delivery, trace, body } = letter
  return { streamId, entry: { source, delivery, trace, body }, origin: originOf(letter) }
}

function originOf({ partition, streamId, entry, index, sink, attempts, firstAt }: DeadLetterRecord): Origin {
  const [home, id] = entry.split('/')
  const place =
    id === undefined
      ? { partition: EDGE_PARTITIONS + partition, entryId: streamId }
      : { partition: Number(home), entryId: id }
  return { ...place, index, sink, attempts, firstAt }
}
