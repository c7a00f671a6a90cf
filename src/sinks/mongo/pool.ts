import type { MongoClient } from 'mongodb'

/** What the pools of a client's servers are doing, together. */
export interface Pool {
  readonly idle: number
  readonly inUse: number
  /** Operations that wait for a connection. */
  readonly waiting: number
}

/** Follows a client's pools, by the driver's own events: a few a batch. */
export function watchPool(client: MongoClient): () => Pool {
  const open = new Set<string>()
  let [inUse, waiting] = [0, 0]
  client.on('connectionReady', ({ address, connectionId }) => void open.add(`${address} ${connectionId}`))
  client.on('connectionClosed', ({ address, connectionId }) => void open.delete(`${address} ${connectionId}`))
  client.on('connectionCheckOutStarted', () => void waiting++)
  client.on('connectionCheckOutFailed', () => void waiting--)
  client.on('connectionCheckedOut', () => {
    waiting--
    inUse++
  })
  client.on('connectionCheckedIn', () => void inUse--)
  return () => ({ idle: Math.max(0, open.size - inUse), inUse, waiting })
}
