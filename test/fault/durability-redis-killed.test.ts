import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openEdge } from '../support/edge.js'
import { missingIn, ownRedis, startTraffic } from '../support/redis-servers.js'

/** `everysec` may hold back what it writes for so long while the disk is busy; and some for the test's own delays. */
const HELD_BACK_MS = 2_500

/** Kills Redis under traffic and starts it again. @returns the traffic, what is missing of it, and when the kill was */
async function killUnderTraffic(settings: Record<string, string>) {
  const redis = await ownRedis(settings)
  const own = await openEdge(redis.url)
  onTestFinished(() => own.end())
  const traffic = startTraffic(own)
  await sleep(4_000)
  const killedAt = performance.now()
  await redis.kill()
  await traffic.stop()
  await redis.start()
  return { traffic, killedAt, missing: await missingIn(redis, own.keys, traffic) }
}

describe('appended, when Redis is killed and started again', () => {
  test('with appendfsync always: nothing acknowledged is lost', async () => {
    const { traffic, missing } = await killUnderTraffic({ appendfsync: 'always' })
    expect(traffic.acknowledged.size).toBeGreaterThan(100)
    expect(traffic.answers.get(400)).toBeGreaterThan(10)
    expect(missing).toEqual([])
  })

  test('with appendfsync everysec: at most the last two seconds are lost', async () => {
    const { traffic, killedAt, missing } = await killUnderTraffic({ appendfsync: 'everysec' })
    const age = (mark: string) => killedAt - (traffic.acknowledged.get(mark) ?? 0)
    const old = [...traffic.acknowledged.keys()].filter((mark) => age(mark) > HELD_BACK_MS)
    expect(old.length).toBeGreaterThan(100)
    expect(missing.filter((mark) => age(mark) > HELD_BACK_MS)).toEqual([])
  })

  test('without an append-only file: everything acknowledged is lost', async () => {
    const { traffic, missing } = await killUnderTraffic({ appendonly: 'no' })
    expect(traffic.acknowledged.size).toBeGreaterThan(100)
    expect(missing.length).toBe(traffic.acknowledged.size)
  })
})
