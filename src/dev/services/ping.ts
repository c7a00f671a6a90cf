import { Redis } from 'ioredis'
import { MongoClient } from 'mongodb'
import pg from 'pg'

/** A server that does not answer within this time, in milliseconds, counts as not running. */
const PING_MS = 3_000

/** Pings Redis. @returns its version, "7.0.15" @throws Error when it does not answer */
export async function pingRedis(url: string): Promise<string> {
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: PING_MS,
    commandTimeout: PING_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  })
  let cause: Error | undefined
  redis.on('error', (error) => {
    cause = error // the client's own error says only "Connection is closed"
  })
  try {
    await redis.connect()
    await redis.ping()
    const info = await redis.info('server')
    return /redis_version:(\S+)/.exec(info)?.[1] ?? 'of an unknown version'
  } catch (error) {
    throw cause ?? error
  } finally {
    redis.disconnect()
  }
}

/** Runs statements one after the other on a new connection. @throws Error when Postgres does not answer */
export async function askPostgres(url: string, ...statements: string[]): Promise<pg.QueryResult | undefined> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: PING_MS,
    query_timeout: 4 * PING_MS, // CREATE DATABASE copies files
  })
  client.on('error', () => {}) // a lost connection rejects the query; without a listener it would end the process
  try {
    await client.connect()
    let last: pg.QueryResult | undefined
    for (const statement of statements) last = await client.query(statement)
    return last
  } finally {
    await client.end().catch(() => {})
  }
}

/** Pings MongoDB. @throws Error when it does not answer */
export async function pingMongo(url: string): Promise<void> {
  const client = new MongoClient(url, {
    serverSelectionTimeoutMS: PING_MS,
    connectTimeoutMS: PING_MS,
    socketTimeoutMS: PING_MS,
  })
  try {
    await client.db('admin').command({ ping: 1 })
  } finally {
    await client.close()
  }
}
