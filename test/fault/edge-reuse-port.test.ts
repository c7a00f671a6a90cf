import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { expect, onTestFinished, test } from 'vitest'
import { HTTP } from '../support/edge.js'
import { createRig } from '../support/rig.js'

const FIGURE = /^messaging_client_sent_messages_total(?:\{\S*\})? (\d+)/m

test('edges share a port: each takes requests, is scraped by itself, and one may die', async (context) => {
  if (!HTTP.sharesPort) context.skip('node:http cannot share a port before Node 22.12')
  const rig = await createRig()
  const redis = new Redis(rig.redis.url)
  onTestFinished(() => redis.disconnect())
  const edges = [
    await rig.start('edge', { REUSE_PORT: 'true' }),
    await rig.start('edge', { REUSE_PORT: 'true' }),
    await rig.start('edge', { REUSE_PORT: 'true' }),
  ]
  const counts = async () =>
    await Promise.all(
      edges.map(async ({ adminPort }) => {
        const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text()
        return Number(FIGURE.exec(text)?.[1])
      }),
    )
  // At the same time, so that each has a connection of its own: the kernel spreads connections, not requests.
  const posts = Array.from({ length: 90 }, (_, n) => rig.post('data-action', { id: `e-${n}`, type: 'probe' }))
  expect(new Set(await Promise.all(posts))).toEqual(new Set([202]))
  const kept = await redis.xlen('cxone:{0}:events')
  expect(kept).toBe(90)
  const each = await counts()
  expect(each.reduce((sum, count) => sum + count, 0)).toBe(kept)
  expect(each.filter((count) => count > 0).length).toBeGreaterThan(1)

  // One dies under traffic: the sender tries again, and nothing that was acknowledged is missing.
  const sending = rig.send({ rate: 150, seconds: 4, seed: 3 })
  await sleep(1_000)
  edges[0]?.kill('SIGKILL')
  const sent = await sending
  const entries = (await redis.xrange('cxone:{0}:events', '-', '+')).map(([id]) => `0/${id}`)
  const places = new Set(entries)
  expect(sent.acknowledged.length).toBeGreaterThan(300)
  expect(sent.acknowledged.filter((entry) => !places.has(entry))).toEqual([])
})

test('an edge without REUSE_PORT gets no share of a port, and REUSE_PORT no port of its own choice', async () => {
  const rig = await createRig()
  await rig.start('edge')
  await expect(rig.start('edge')).rejects.toThrow('another process has the port')
  const free = rig.start('edge', { REUSE_PORT: 'true', PORT: '0' })
  await expect(free).rejects.toThrow('REUSE_PORT=true needs Linux, a PORT other than 0')
})
