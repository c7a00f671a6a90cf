import { setTimeout as sleep } from 'node:timers/promises'
import { type AnyBulkWriteOperation, type Collection, MongoBulkWriteError, ObjectId } from 'mongodb'
import type { Entity } from '../../../schemas/contract.js'
import { type RejectedError, TransientError } from '../../errors.js'
import { backoffMs } from '../../retry.js'
import { includes, join } from '../../state/state.js'
import { type Report, reported } from '../../telemetry/command.js'
import { bisect } from '../bisect.js'
import type { Change } from '../sink.js'
import { type KnownFields, type StateDocument, type Stored, toDocument } from './document.js'
import { isLostRace, outcomeOf, refusal, refusalOfSome, transientOf, unconfirmed } from './errors.js'
import { readStored } from './read.js'
import type { FieldRegistry } from './registry.js'

/** What a write of one entity's changes into its collection needs. */
export interface Writing {
  readonly collection: Collection<StateDocument>
  readonly entity: Entity
  /** Only for an entity that evolves. */
  readonly registry: FieldRegistry | undefined
  /** Stops the write between two operations. */
  readonly signal: AbortSignal
  /** Longest time for an operation on the server, in milliseconds. */
  readonly limitMs: number
  /** Gets the changes that can never be stored. */
  readonly rejected: Map<Change, RejectedError>
  /** Called with each command. */
  readonly report?: Report | undefined
}

/** A change, and the operation that stores it joined with the stored state. */
interface Write {
  readonly change: Change
  readonly operation: AnyBulkWriteOperation<StateDocument>
}

/** Pause between rounds: another worker's write takes milliseconds, a replica set whose majority lags takes longer. */
const PAUSE = { initialMs: 10, maxMs: 500 }
/** Rounds, about five seconds in all, before it counts as a fault. */
const MOST_ROUNDS = 16

/**
 * Joins changes into their documents with operations that every server has: it reads, joins, and writes what is new
 * on condition that no other worker has written in between; else it reads and joins that document again.
 * Costs a read and, where something is new, a write of at most two round trips; a redelivery costs only the read.
 * @param changes at most one for each key
 * @throws TransientError · the signal's reason, once it is aborted
 */
export async function writeChanges(writing: Writing, changes: readonly Change[]): Promise<void> {
  const { collection, entity, registry, signal } = writing
  const known = await registry?.register(changes, signal)
  let open = changes
  for (let round = 1; open.length > 0; round++) {
    const keys = open.map((change) => change.key)
    const find = () => readStored(collection, entity, keys)
    const found = await reported(aboutOf(writing, 'find', keys.length), writing.report, find)
    signal.throwIfAborted()
    const writes = open.flatMap((change) => newsOf(change, found.get(change.key), known) ?? [])
    open = await send(writing, writes)
    if (open.length === 0) return
    if (round === MOST_ROUNDS) throw new TransientError(tooLate(collection.namespace, open))
    await sleep(backoffMs(round, PAUSE))
    signal.throwIfAborted()
  }
}

function tooLate(namespace: string, open: readonly Change[]): string {
  const what = `${open.length} documents, first ${JSON.stringify(open[0]?.key)}, changed after each reading`
  return `MongoDB could not write to ${namespace}: ${what} (too many writers of them, or no majority for long)`
}

function newsOf(change: Change, stored: Stored | undefined, known?: KnownFields): Write | undefined {
  const { entity, key, state } = change
  const document = (joined: typeof state) =>
    toDocument(entity, key, joined, new ObjectId(), new Date(), known)
  if (stored === undefined) return { change, operation: { insertOne: { document: document(state) } } }
  if (includes(stored.state, state)) return undefined
  const filter = { _id: key, '_tributary.revision': stored.revision }
  return { change, operation: { replaceOne: { filter, replacement: document(join(stored.state, state)) } } }
}

/** @returns the changes to try again: another worker has written their documents since they were read */
async function send(writing: Writing, writes: readonly Write[]): Promise<Change[]> {
  const late: Change[] = []
  const refused = await bisect(writes, async (part) => {
    late.push(...(await sendPart(writing, part)))
  })
  for (const [{ change }, refusal] of refused) writing.rejected.set(change, refusal)
  return late
}

/** @throws RejectedError where some document, it is not known which, cannot be sent at all */
async function sendPart(writing: Writing, writes: readonly Write[]): Promise<Change[]> {
  const { collection } = writing
  const operations = writes.map((write) => write.operation)
  const options = { ordered: false, maxTimeMS: writing.limitMs }
  const send = () => collection.bulkWrite(operations, options).catch(carriedOut)
  const about = aboutOf(writing, 'bulkWrite', writes.length)
  const result = await reported(about, writing.report, send).catch((error) => {
    throw refusalOfSome(error) ?? outcomeOf(error, `write to ${collection.namespace}`)
  })
  if (result instanceof MongoBulkWriteError) return handleWriteErrors(writing, writes, result)
  return lateReplacements(writes, result.matchedCount)
}

/** A bulk write that failed only for some documents is a result, not an error. */
function carriedOut(error: unknown): MongoBulkWriteError {
  if (error instanceof MongoBulkWriteError && error.result.hasWriteErrors()) return error
  throw error
}

function aboutOf({ collection }: Writing, operation: string, count: number) {
  return { system: 'mongodb', operation, target: collection.collectionName, count } as const
}

/** Handles the errors of single documents. @returns the changes to try again */
function handleWriteErrors(
  { collection, rejected }: Writing,
  writes: readonly Write[],
  error: MongoBulkWriteError,
): Change[] {
  const doing = `write to ${collection.namespace}`
  const concern = error.result.getWriteConcernError()
  if (concern !== undefined) throw unconfirmed({ ...concern.toJSON(), code: concern.code ?? 0 }, doing)
  const late: Change[] = []
  const fine = new Set(writes)
  for (const writeError of error.result.getWriteErrors()) {
    const write = writes[writeError.index]
    if (write === undefined) throw error
    fine.delete(write)
    const refused = refusal(writeError)
    if (isLostRace(writeError)) late.push(write.change)
    else if (refused !== undefined) rejected.set(write.change, refused)
    else throw transientOf(writeError, doing)
  }
  return [...late, ...lateReplacements([...fine], error.result.matchedCount)]
}

/** The server only says how many replacements found their document, not which: if one did not, all are tried again. */
function lateReplacements(writes: readonly Write[], matchedCount: number): Change[] {
  const replacements = writes.filter(({ operation }) => 'replaceOne' in operation)
  return matchedCount === replacements.length ? [] : replacements.map(({ change }) => change)
}
