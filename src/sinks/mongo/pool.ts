import type { MongoClient } from 'mongodb'

/** Connections in the pools of all servers of a client, added up. */
export interface Pool {
  readonly idle: number
  readonly inUse: number
  /** Operations that wait for a connection. */
  readonly waiting: number
}

/** Counts a client's connections from the driver's events: a few events for each batch. */
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
