import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, inject, it, onTestFinished } from 'vitest'
import { readConfig } from '../../src/config.js'
import { freePort } from '../../src/dev/services/port.js'
import { openStatusPage, type Status, sharedFor } from '../../src/ops/status.js'
import { checkAppends } from '../../src/stream/ready.js'
import { ownServers } from '../support/own.js'
import { openStream as openOwnStream, streamsOfThisFile } from '../support/stream.js'

const openStream = streamsOfThisFile()

describe('the status page', () => {
  it('shows every sink', async () => {
    const { keys, producer } = await openStream()
    const prefix = keys[0]?.events.split(':')[0] ?? ''
    await producer.append([{ source: 'cdc', delivery: '', trace: '', body: Buffer.from('{}') }])
    const config = readConfig({ REDIS_URL: inject('services').redisUrl, STREAM_PREFIX: prefix })
    const page = openStatusPage(config, ['postgres', 'mongo'], 'node')
    onTestFinished(() => page.close())
    const { groups, edge } = JSON.parse(await page.read()) as Status
    expect(edge).toEqual({ deadLetters: 0, http: 'node' })
    expect(groups.map(({ group, undelivered }) => [group, undelivered])).toEqual([
      ['postgres', 1],
      ['mongo', 1],
    ])
  })

  it('fails while Redis is away, and works when it is there', async () => {
    const port = await freePort()
    const page = openStatusPage(readConfig({ REDIS_URL: `redis://127.0.0.1:${port}` }), [])
    onTestFinished(() => page.close())
    await expect(page.read()).rejects.toThrow(`Redis at 127.0.0.1:${port} does not answer`)
    await expect(page.read()).rejects.toThrow('does not answer')
  })

  it('counts once for all readers within its time', async () => {
    let reads = 0
    const read = sharedFor(async () => {
      if (++reads === 1) throw new Error('away')
      await sleep(10)
      return reads
    }, 200)
    await expect(read()).rejects.toThrow('away')
    expect(await Promise.all([read(), read(), read()])).toEqual([2, 2, 2])
    expect(await read()).toBe(2)
    await sleep(210)
    expect(await read()).toBe(3)
  })
})

describe('an edge is ready', () => {
  it('while Redis would take an event, and it leaves nothing there', async () => {
    const { keys, redis } = await openStream({ partitions: 2 })
    await checkAppends(redis, keys)
    expect(await redis.exists(...keys.map(({ events }) => `${events}:ready`))).toBe(0)
  })

  it('not while Redis is full, or a replica, though it answers every ping', async () => {
    const servers = ownServers(() => undefined)
    onTestFinished(() => servers.end())
    const { url } = await servers.redis()
    const stream = await openOwnStream({ url })
    onTestFinished(() => stream.end())
    const { keys, redis } = stream
    await redis.set('ballast', 'x'.repeat(2 ** 20))
    await redis.config('SET', 'maxmemory', '1mb')
    await expect(checkAppends(redis, keys)).rejects.toThrow('Redis cannot take events now: OOM')
    await redis.config('SET', 'maxmemory', '0')
    await checkAppends(redis, keys)
    await redis.replicaof('127.0.0.1', await freePort())
    await expect(checkAppends(redis, keys)).rejects.toThrow(
      /Redis cannot take events now: (READONLY|MASTERDOWN)/,
    )
    await redis.replicaof('NO', 'ONE')
  })
})
