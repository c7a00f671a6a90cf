import { setTimeout as sleep } from 'node:timers/promises'
import { expect, inject, onTestFinished, test } from 'vitest'
import { Election } from '../../src/maintenance/election.js'
import { LagCollector } from '../../src/maintenance/lag-collector.js'
import { Scheduler } from '../../src/maintenance/scheduler.js'
import type { Task } from '../../src/maintenance/task.js'
import { openClient } from '../../src/stream/client.js'
import { createRedis, type RedisClient } from '../../src/stream/redis.js'
import { newEntry } from '../support/entries.js'
import { freshName } from '../support/fresh.js'
import { ownServers } from '../support/own.js'
import { streamsOfThisFile, until } from '../support/stream.js'

const LEASE_MS = 1_500

const open = streamsOfThisFile()

/** A Redis of its own, and a connection to ask it. */
async function ownRedis() {
  const servers = ownServers(() => undefined)
  onTestFinished(() => servers.end())
  const service = await servers.redis()
  const asker = createRedis(service.url, 'patient', () => undefined)
  onTestFinished(() => asker.disconnect())
  return { service, asker }
}

interface Turn {
  readonly replica: number
  readonly task: string
}

/** Replicas that note each turn that they take; "trim" makes room, "report" does not. */
async function replicasOf(url: string, prefix: string) {
  const turns: Turn[] = []
  const trouble: unknown[] = []
  const seen = { running: 0, overlapped: false }
  const start = async (replica: number) => {
    const stop = new AbortController()
    const redis = await openClient(url, 'patient', () => undefined)
    const run = (task: string) => async () => {
      if (task === 'trim') {
        seen.overlapped ||= seen.running > 0
        seen.running++
      }
      turns.push({ replica, task })
      await redis.ping()
      if (task === 'trim') seen.running--
    }
    const tasks: Task[] = [
      { name: 'trim', everyMs: 100, makesRoom: true, run: run('trim') },
      { name: 'report', everyMs: 100, makesRoom: false, run: run('report') },
    ]
    const scheduler = new Scheduler({
      ...{ redis, prefix, tasks, leaseMs: LEASE_MS },
      ...{ warn: () => undefined, onCrash: (error: unknown) => void trouble.push(error) },
    })
    const running = scheduler.run(stop.signal)
    const end = async () => {
      stop.abort()
      await running
      redis.disconnect()
    }
    onTestFinished(end)
    return { replica, scheduler, end }
  }
  const replicas = await Promise.all([0, 1, 2].map(start))
  return { replicas, turns, trouble, seen }
}

/** The turns from now on, once there are this many. */
async function nextTurns(turns: readonly Turn[], count: number, timeoutMs = 30_000): Promise<Turn[]> {
  const from = turns.length
  await until(() => turns.length >= from + count, timeoutMs)
  return turns.slice(from, from + count)
}

const replicasIn = (turns: readonly Turn[]) => [...new Set(turns.map(({ replica }) => replica))]
const tasksIn = (turns: readonly Turn[]) => [...new Set(turns.map(({ task }) => task))].sort()

test('one replica has all turns, leaves little behind, and the next one outlives a Redis that loses everything', async () => {
  const { service, asker } = await ownRedis()
  const prefix = `{${freshName('jobs')}}`
  const began = performance.now()
  const { replicas, turns, trouble, seen } = await replicasOf(service.url, prefix)
  const [elected = -1, ...others] = replicasIn(await nextTurns(turns, 60))
  // One turn of each task each 100 ms, not one for each replica.
  expect(performance.now() - began).toBeGreaterThan(2_000)
  expect(others).toEqual([])
  expect(tasksIn(turns)).toEqual(['report', 'trim'])
  expect(replicas.filter(({ scheduler }) => scheduler.elected).map(({ replica }) => replica)).toEqual([
    elected,
  ])
  const keys = await asker.keys(`${prefix}*`)
  expect(keys.length).toBeLessThan(25)
  const events = keys.find((key) => key.endsWith(':events')) ?? ''
  expect(await asker.xlen(events)).toBeLessThan(300)

  await replicas[elected]?.end()
  const [next = -1, ...more] = replicasIn(await nextTurns(turns, 20))
  expect(next).not.toBe(elected)
  expect(more).toEqual([])
  expect(seen.overlapped).toBe(false)

  await service.kill()
  await service.start()
  await asker.flushall()
  await nextTurns(turns, 10, 45_000)
  expect(trouble).toEqual([])
})

test('in a Redis that is full the elected replica runs all tasks, and where none is elected each makes room', async () => {
  const { service, asker } = await ownRedis()
  const { replicas, turns, trouble } = await replicasOf(service.url, `{${freshName('jobs')}}`)
  const [elected = -1] = replicasIn(await nextTurns(turns, 10))
  await asker.config('SET', 'maxmemory', '1')
  // What was under way when it became full.
  await nextTurns(turns, 2)
  const whileFull = await nextTurns(turns, 10)
  expect(replicasIn(whileFull)).toEqual([elected])
  expect(tasksIn(whileFull)).toEqual(['report', 'trim'])

  await replicas[elected]?.end()
  const rest = [0, 1, 2].filter((replica) => replica !== elected)
  const withoutElection = await nextTurns(turns, 12)
  expect(replicasIn(withoutElection).sort()).toEqual(rest)
  expect(tasksIn(withoutElection)).toEqual(['trim'])
  expect(replicas.filter(({ scheduler }) => scheduler.elected)).toEqual([])

  await asker.config('SET', 'maxmemory', '0')
  await until(() => replicas.some(({ scheduler }) => scheduler.elected), 30_000)
  // A turn that began before the election.
  await nextTurns(turns, 2)
  const after = await nextTurns(turns, 20)
  expect(replicasIn(after)).toHaveLength(1)
  expect(tasksIn(after)).toEqual(['report', 'trim'])
  expect(trouble).toEqual([])
})

test('a replica that was frozen does not believe that it is elected once another one is', async () => {
  const redis = await openClient(inject('services').redisUrl, 'patient', () => undefined)
  onTestFinished(() => redis.disconnect())
  const key = freshName('elected')
  const [one, other] = [new Election(redis, key, 300), new Election(redis, key, 300)]
  expect([await one.seek(), await other.seek()]).toEqual([true, false])
  expect([one.elected, other.elected]).toEqual([true, false])
  // It seeks no more; the other goes on.
  await until(() => other.seek())
  expect([one.elected, other.elected]).toEqual([false, true])
  expect([await one.seek(), one.elected]).toEqual([false, false])
  // Only the elected one can resign.
  await one.resign()
  expect(await one.seek()).toBe(false)
  await other.resign()
  expect(await one.seek()).toBe(true)
})

test('one replica shows the figures of the log, the same until it ends, and never two', async () => {
  const stream = await open()
  await stream.join()
  await stream.producer.append(Array.from({ length: 5 }, () => newEntry('cdc', '{}')))
  const prefix = `{${stream.first.events}}`
  const replicas = Array.from({ length: 3 }, () => replicaWithLag(stream.redis, stream.keys, prefix))
  const shown = () => replicas.filter(({ figures }) => figures() !== undefined)
  await until(() => shown().length === 1)
  const [elected] = shown()
  for (let round = 0; round < 60; round++) {
    expect(shown().filter((one) => one !== elected)).toEqual([])
    await sleep(10)
  }
  await elected?.end()
  expect(elected?.figures()).toBeUndefined()
  await until(() => shown().length === 1, 10_000)
  expect(shown()[0]?.figures()?.groups.get(stream.group)?.undelivered).toBe(5)
  for (let round = 0; round < 60; round++) {
    expect(shown().length).toBeLessThanOrEqual(1)
    await sleep(10)
  }
})

function replicaWithLag(
  redis: RedisClient,
  partitions: ConstructorParameters<typeof LagCollector>[0]['partitions'],
  prefix: string,
) {
  const stop = new AbortController()
  const lag = new LagCollector({ redis, partitions, sinks: [], everyMs: 100, stalled: () => undefined })
  const onCrash = (error: unknown) => {
    throw error
  }
  const scheduler = new Scheduler({
    ...{ redis, prefix, tasks: [lag], leaseMs: LEASE_MS },
    ...{ warn: () => undefined, onCrash },
  })
  const running = scheduler.run(stop.signal)
  const end = async () => {
    stop.abort()
    await running
  }
  onTestFinished(end)
  return { end, figures: () => (scheduler.elected ? lag.figures() : undefined) }
}
