import { setTimeout as sleep } from 'node:timers/promises'
import { type Collection, type Db, MongoServerError } from 'mongodb'
import type { Entity } from '../../../schemas/contract.js'
import { TransientError } from '../../errors.js'
import { backoffMs } from '../../retry.js'
import type { Change } from '../sink.js'
import { OPERATION_MS } from './connect.js'
import { isReserved, type KnownFields } from './document.js'
import { isLostRace, outcomeOf } from './errors.js'

/** Most fields that are registered: a sender that invents names cannot make documents grow beyond that. */
export const MOST_FIELDS = 1_000
/** Longest field name that is registered, in bytes of UTF-8. */
export const LONGEST_NAME = 256

/** One version, as stored. Its number is its key: where several workers write the same version, one wins. */
interface VersionDocument {
  _id: number
  version: number
  /** All fields known so far, sorted. */
  fields: string[]
  updated_at: Date
}

/** Pause until the majority of the replica set has what another worker has just registered. */
const PAUSE = { initialMs: 10, maxMs: 500 }
/** Times in a row that other workers may register the next version first, before it counts as a fault. */
const MOST_ROUNDS = 16

/** The registry of all fields that an entity's documents have had, with a copy of it in this process. */
export class FieldRegistry {
  #known: KnownFields = { version: 0, names: new Set() }
  #hasWarned = false

  constructor(
    readonly entity: Entity,
    readonly collection: Collection<VersionDocument>,
    /** Called once, with a line that says which field is not registered, and why. */
    readonly report: (line: string) => void,
  ) {}

  /**
   * Registers the new fields of changes, as the version after the newest.
   * Costs a look-up for each field; a read and a write where a field is new.
   * @returns all fields known to this process; other workers may have registered more since
   * @throws TransientError · the signal's reason, once it is aborted
   */
  async register(changes: readonly Change[], signal: AbortSignal): Promise<KnownFields> {
    for (let round = 1; this.#newNames(changes).size > 0; round++) {
      await this.refresh()
      signal.throwIfAborted()
      const names = this.#newNames(changes)
      if (names.size === 0 || (await this.#add(names))) break
      if (round === MOST_ROUNDS) throw new TransientError(tooLate(this.collection.namespace))
      await sleep(backoffMs(round, PAUSE))
      signal.throwIfAborted()
    }
    return this.#known
  }

  /** Reads the newest version. @throws TransientError where MongoDB cannot be asked now */
  async refresh(): Promise<void> {
    const newest = await this.#newest()
    if (newest === undefined || newest.version <= this.#known.version) return
    const names = newest.fields.filter((name) => !isReserved(name, this.entity))
    this.#known = { version: newest.version, names: new Set(names) }
  }

  async #newest(): Promise<VersionDocument | undefined> {
    const options = { sort: { _id: -1 }, limit: 1, maxTimeMS: OPERATION_MS } as const
    try {
      const [newest] = await this.collection.find({}, options).toArray()
      return newest
    } catch (error) {
      throw outcomeOf(error, `read ${this.collection.namespace}`)
    }
  }

  #newNames(changes: readonly Change[]): Set<string> {
    const { names } = this.#known
    const found = new Set<string>()
    for (const { state } of changes) {
      for (const name of state.fields.keys()) {
        if (names.has(name) || found.has(name) || isReserved(name, this.entity)) continue
        if (names.size + found.size >= MOST_FIELDS || Buffer.byteLength(name) > LONGEST_NAME)
          this.#warnOnce(name)
        else found.add(name)
      }
    }
    return found
  }

  /** @returns whether the next version was added; `false` where another writer was first */
  async #add(added: ReadonlySet<string>): Promise<boolean> {
    const version = this.#known.version + 1
    const fields = [...this.#known.names, ...added].sort()
    try {
      await this.collection.insertOne(
        { _id: version, version, fields, updated_at: new Date() },
        { maxTimeMS: OPERATION_MS },
      )
    } catch (error) {
      if (isTaken(error)) return false
      throw outcomeOf(error, `write to ${this.collection.namespace}`)
    }
    // Another batch of this process may have registered a newer version meanwhile.
    if (version > this.#known.version) this.#known = { version, names: new Set(fields) }
    return true
  }

  #warnOnce(name: string): void {
    if (this.#hasWarned) return
    this.#hasWarned = true
    const what = `MongoDB: the field ${JSON.stringify(name.slice(0, 100))} of ${this.entity.name} is not registered`
    const why = `${MOST_FIELDS} fields of at most ${LONGEST_NAME} bytes are`
    const then = 'documents keep such fields, only that other documents do not get them as null'
    this.report(`${what}: ${why}; ${then}; find out who sends them`)
  }
}

function isTaken(error: unknown): boolean {
  if (!(error instanceof MongoServerError)) return false
  return isLostRace({ code: Number(error.code), errmsg: error.message })
}

function tooLate(namespace: string): string {
  const what = `${MOST_ROUNDS} versions were taken by others, one after the other`
  return `MongoDB could not register fields in ${namespace}: ${what} (many new fields at once, or no majority for long)`
}

/**
 * Opens the registries of the entities that evolve, with one read each.
 * @param db gives the database that has an entity's registry
 * @throws TransientError where MongoDB cannot be asked now
 */
export async function openRegistries(
  entities: readonly Entity[],
  db: (entity: Entity) => Db,
  report: (line: string) => void,
): Promise<ReadonlyMap<Entity, FieldRegistry>> {
  const registries = new Map<Entity, FieldRegistry>()
  for (const entity of entities) {
    const { evolves } = entity.mongo
    if (evolves === undefined) continue
    const collection = db(entity).collection<VersionDocument>(evolves.registry)
    const registry = new FieldRegistry(entity, collection, report)
    await registry.refresh()
    registries.set(entity, registry)
  }
  return registries
}
