import { expect, onTestFinished, test } from 'vitest'
import { startMaintainer } from '../../src/ops/maintainer.js'
import { openClient } from '../../src/stream/client.js'
import { createRedis } from '../../src/stream/redis.js'
import { freshName } from '../support/fresh.js'
import { ownServers } from '../support/own.js'
import { until } from '../support/stream.js'

test('replicas share the turns, leave little behind, and outlive a Redis that loses everything', async () => {
  const servers = ownServers(() => undefined)
  onTestFinished(() => servers.end())
  const service = await servers.redis()
  const asker = createRedis(service.url, 'patient', () => undefined)
  onTestFinished(() => asker.disconnect())
  const prefix = `{${freshName('jobs')}}`
  const turns: { replica: number; at: number }[] = []
  let running = 0
  let overlapped = false
  const trouble: unknown[] = []
  const replicas = await Promise.all(
    [0, 1, 2].map(async (replica) => {
      const stop = new AbortController()
      const redis = await openClient(service.url, 'patient', () => undefined)
      const run = async () => {
        overlapped ||= running > 0
        running++
        turns.push({ replica, at: Date.now() })
        await redis.ping()
        running--
      }
      const chores = [{ name: 'trim', everyMs: 100, run }]
      const onCrash = (error: unknown) => void trouble.push(error)
      const maintainer = startMaintainer(
        { redis, prefix, chores, warn: () => undefined, onCrash },
        stop.signal,
      )
      const end = async () => {
        stop.abort()
        await maintainer.close()
        redis.disconnect()
      }
      onTestFinished(end)
      return { end }
    }),
  )
  await until(() => turns.length >= 30, 20_000)
  expect(overlapped).toBe(false)
  const span = (turns.at(-1)?.at ?? 0) - (turns[0]?.at ?? 0)
  // One turn each 100 ms, not one for each replica.
  expect(span).toBeGreaterThan(2_000)
  const keys = await asker.keys(`${prefix}*`)
  expect(keys.length).toBeLessThan(20)
  const events = keys.find((key) => key.endsWith(':events')) ?? ''
  expect(await asker.xlen(events)).toBeLessThan(300)

  // The first two leave: the third goes on alone.
  await Promise.all(replicas.slice(0, 2).map(({ end }) => end()))
  const alone = turns.length
  await until(() => turns.length >= alone + 5)
  expect(new Set(turns.slice(alone + 1).map(({ replica }) => replica))).toEqual(new Set([2]))

  await service.kill()
  await service.start()
  await asker.flushall()
  const after = turns.length
  await until(() => turns.length >= after + 5, 45_000)
  expect(trouble).toEqual([])
})
