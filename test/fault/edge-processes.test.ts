import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { expect, onTestFinished, test } from 'vitest'
import { childrenOf, inspect } from '../../src/embedded/processes.js'
import { createRig } from '../support/rig.js'
import { until } from '../support/stream.js'

interface Stats {
  readonly edge: { readonly accepted: number; readonly processes: number; readonly inFlight: number }
}

test('an edge of several processes shares its port, is scraped as one, and mends itself', async () => {
  const rig = await createRig()
  const redis = new Redis(rig.redis.url)
  onTestFinished(() => redis.disconnect())
  const edge = await rig.start('edge', { EDGE_PROCESSES: '3' })
  const get = async (path: string) => await fetch(`http://127.0.0.1:${edge.adminPort}${path}`)
  const stats = async () => ((await (await get('/stats')).json()) as Stats).edge
  expect((await get('/readyz')).status).toBe(200)
  expect((await stats()).processes).toBe(3)

  // In connections of their own, so that each process gets some.
  const event = (n: number) => ({ id: `e-${n}`, type: 'probe' })
  for (let n = 0; n < 60; n++) expect(await rig.post('data-action', event(n))).toBe(202)
  const sent = await rig.send({ rate: 150, seconds: 4, seed: 3 })
  const [kept] = [await redis.xlen('cxone:{0}:events')]
  expect(kept).toBe(60 + sent.acknowledged.length)
  expect((await stats()).accepted).toBe(kept)
  const metrics = await (await get('/metrics')).text()
  const counts = [...metrics.matchAll(/^messaging_client_sent_messages_total\{process="(\d)"\S*\} (\d+)/gm)]
  expect(counts.map(([, process]) => process)).toEqual(['1', '2', '3'])
  expect(counts.reduce((sum, [, , count]) => sum + Number(count), 0)).toBe(kept)
  expect(metrics.match(/^# TYPE messaging_client_sent_messages_total /gm)).toHaveLength(1)
  const busy = counts.filter(([, , count]) => Number(count) > 0)
  expect(busy.length).toBeGreaterThan(1)

  // One dies, one hangs for a moment: the others go on, and nothing that was acknowledged is missing.
  const before = kept
  const children = childrenOf(edge.pid)
  expect(children).toHaveLength(3)
  const traffic = rig.send({ rate: 100, seconds: 6, seed: 4 })
  await sleep(1_500)
  process.kill(children[0] ?? 0, 'SIGKILL')
  await until(async () => childrenOf(edge.pid).length === 3 && (await get('/readyz')).status === 200)
  expect(childrenOf(edge.pid)).not.toContain(children[0])
  expect(rig.log('edge')).toContain('Process 1 has ended (SIGKILL) and is started again')
  const report = await traffic
  expect(report.acknowledged.length).toBeGreaterThan(300)
  const found = await Promise.all(
    report.acknowledged.map((ref) => redis.xrange('cxone:{0}:events', ref.slice(2), ref.slice(2))),
  )
  expect(found.filter((entries) => entries.length === 0)).toEqual([])
  expect(await redis.xlen('cxone:{0}:events')).toBeGreaterThanOrEqual(before + report.acknowledged.length)

  // Its end is theirs, and it is an orderly one.
  const last = childrenOf(edge.pid)
  edge.kill('SIGTERM')
  expect(await edge.exited).toBe(0)
  expect(last.filter((pid) => inspect(pid) !== undefined)).toEqual([])
})

test('a port that another server has is refused, and so are several processes on any free port', async () => {
  const rig = await createRig()
  await rig.start('edge')
  await expect(rig.start('edge', { EDGE_PROCESSES: '2' })).rejects.toThrow(
    /cannot listen on port .*EADDRINUSE/,
  )
  const free = rig.start('edge', { EDGE_PROCESSES: '2', PORT: '0' })
  await expect(free).rejects.toThrow('EDGE_PROCESSES needs a PORT of its own')
})

test('what kills the process that keeps the others ends them, too', async () => {
  const rig = await createRig()
  const edge = await rig.start('edge', { EDGE_PROCESSES: '2' })
  const children = childrenOf(edge.pid)
  edge.kill('SIGKILL')
  await edge.exited
  await until(() => children.every((pid) => inspect(pid) === undefined))
})
