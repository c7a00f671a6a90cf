import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Collection, MongoServerError } from 'mongodb'
import { TransientError } from '../../errors.js'
import type { MigrationDocument } from './applied.js'

/** How to wait for the lock, and how long a dead holder keeps it. */
export interface MigrationLockOptions {
  readonly report: (line: string) => void
  readonly signal: AbortSignal
  /** A holder that has not renewed the lock for this time, in milliseconds, counts as dead. */
  readonly leaseMs?: number
}

const LEASE_MS = 15_000
const DUPLICATE_KEY = 11000

/**
 * Does `work` while this process holds the lock. The lock is a document that its holder keeps renewing. Clocks of
 * different machines are never compared: a waiting process measures, by its own clock, how long the document has
 * not changed.
 * @param work gets a signal that is aborted when the lock is lost
 * @throws what `work` throws · the signal's reason, once it is aborted
 */
export async function withMigrationLock<T>(
  collection: Collection<MigrationDocument>,
  { report, signal, leaseMs = LEASE_MS }: MigrationLockOptions,
  work: (held: AbortSignal) => Promise<T>,
): Promise<T> {
  const holder = `${hostname()} ${process.pid} ${randomUUID()}`
  await acquire(collection, holder, { report, signal, leaseMs })
  const lost = new AbortController()
  const held = AbortSignal.any([signal, lost.signal])
  const renewal = setInterval(async () => {
    try {
      const { matchedCount } = await collection.updateOne({ _id: 'lock', holder }, { $inc: { heartbeat: 1 } })
      if (matchedCount === 0) lost.abort(new TransientError('the lock of the MongoDB migrations was lost'))
    } catch (error) {
      lost.abort(error)
    }
  }, leaseMs / 4)
  try {
    return await work(held)
  } finally {
    clearInterval(renewal)
    await collection.deleteOne({ _id: 'lock', holder }).catch(() => {}) // then the lock is free when its lease ends
  }
}

async function acquire(
  collection: Collection<MigrationDocument>,
  holder: string,
  { report, signal, leaseMs }: Required<MigrationLockOptions>,
): Promise<void> {
  let seen: MigrationDocument | undefined
  let since = 0
  for (;;) {
    signal.throwIfAborted()
    if (await insert(collection, holder)) return
    const found = await collection.findOne({ _id: 'lock' })
    if (found === null) continue
    if (found.holder !== seen?.holder) report(`MongoDB: waiting for the migration that ${found.holder} runs`)
    if (found.holder !== seen?.holder || found.heartbeat !== seen?.heartbeat) {
      seen = found
      since = performance.now()
    } else if (performance.now() - since > leaseMs) {
      const { matchedCount } = await collection.updateOne(found, { $set: { holder, heartbeat: 0 } })
      if (matchedCount === 1) return
    }
    await sleep(leaseMs / 20)
  }
}

async function insert(collection: Collection<MigrationDocument>, holder: string): Promise<boolean> {
  try {
    await collection.insertOne({ _id: 'lock', holder, heartbeat: 0 })
    return true
  } catch (error) {
    if (error instanceof MongoServerError && error.code === DUPLICATE_KEY) return false
    throw error
  }
}
