import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { dataAction } from '../../schemas/data-action.js'
import type { Service } from '../../src/dev/services/service.js'
import type { Durability } from '../../src/stream/durability.js'
import { openEdge, post, type TestEdge } from '../support/edge.js'
import { startProxy, type TcpProxy } from '../support/proxy.js'
import {
  answered,
  ask,
  follow,
  missingIn,
  ownRedis,
  portOf,
  promote,
  startTraffic,
} from '../support/redis-servers.js'

const REPLICATED: Durability = { mode: 'replicated', replicas: 1, timeoutMs: 1_000 }
const APPENDED: Durability = { mode: 'appended', replicas: 1, timeoutMs: 1_000 }
const EVENT = '{"id":"e","type":"t"}'

/** A master with a replica, and an edge that finds whichever is master at one address. */
interface Pair {
  readonly master: Service
  readonly replica: Service
  /** Between replica and master. */
  readonly link: TcpProxy
  readonly own: TestEdge
  /** From now on the address leads to this server. Open connections stay as they are. */
  point(to: Service): void
  /** Ends the connections by the address. */
  breakConnections(): void
}

async function openPair(durability: Durability, settings: Record<string, string> = {}): Promise<Pair> {
  const [master, replica] = await Promise.all([ownRedis(settings), ownRedis()])
  const link = await startProxy({ host: '127.0.0.1', port: portOf(master) })
  onTestFinished(() => link.close())
  await follow(replica, master, link.port)
  const target = { host: '127.0.0.1', port: portOf(master) }
  const address = await startProxy(target)
  onTestFinished(() => address.close())
  // Patient, so that what is refused is refused for its replicas and not for being late.
  const own = await openEdge(`redis://127.0.0.1:${address.port}`, { durability, appendTimeoutMs: 10_000 })
  onTestFinished(() => own.end())
  return {
    master,
    replica,
    link,
    own,
    point: (to) => {
      target.port = portOf(to)
    },
    breakConnections: () => {
      address.cut()
      address.restore()
    },
  }
}

describe('replicated', () => {
  test('nothing acknowledged is missing on the replica that takes over, even where it lagged', async () => {
    const { master, replica, own, point, breakConnections } = await openPair(REPLICATED)
    const postBoth = () =>
      Promise.all([EVENT, 'no json'].map(async (body) => (await post(own.edge, dataAction, body)).status))
    expect(await postBoth()).toEqual([202, 400])
    // Every second a replica confirms all that it has.
    await sleep(1_500)
    replica.pause()
    // A script that had to be sent once more would run after the WAIT that is to confirm it.
    await ask(master, (redis) => redis.script('FLUSH'))
    expect(await postBoth()).toEqual([503, 503])
    expect(own.errors.map(String)).toEqual(
      Array(2).fill(expect.stringContaining('0 of 1 replicas confirmed within 900 ms')),
    )
    replica.resume()
    await answered(own, 202)
    const traffic = startTraffic(own)
    await sleep(1_500)
    replica.pause()
    await sleep(1_500)
    await master.kill()
    replica.resume()
    await promote(replica)
    point(replica)
    breakConnections()
    // Nobody follows the new master, so nothing is acknowledged.
    await answered(own, 503)
    await master.start()
    await follow(master, replica)
    await answered(own, 202)
    await sleep(500)
    await traffic.stop()
    expect(traffic.acknowledged.size).toBeGreaterThan(100)
    expect(traffic.answers.get(503)).toBeGreaterThan(10)
    expect(await missingIn(replica, own.keys, traffic)).toEqual([])
    expect(await missingIn(master, own.keys, traffic)).toEqual([])
  })

  test('a master without an append-only file that starts again empty empties its replica too', async () => {
    const { master, replica, own } = await openPair(REPLICATED, { appendonly: 'no' })
    await answered(own, 202)
    const events = String(own.keys[0]?.events)
    expect(await ask(replica, (redis) => redis.xlen(events))).toBeGreaterThan(0)
    await master.kill()
    await master.start()
    await follow(replica, master)
    expect(await ask(replica, (redis) => redis.xlen(events))).toBe(0)
  })
})

describe('appended', () => {
  test('what the replica has not got yet is lost when it takes over', async () => {
    const { master, replica, link, own, point, breakConnections } = await openPair(APPENDED)
    const before = startTraffic(own)
    await sleep(500)
    await before.stop()
    await follow(replica, master, link.port)
    link.cut()
    await sleep(300)
    const after = startTraffic(own)
    await sleep(500)
    await after.stop()
    await master.kill()
    await promote(replica)
    point(replica)
    breakConnections()
    await answered(own, 202)
    expect(before.acknowledged.size).toBeGreaterThan(20)
    expect(await missingIn(replica, own.keys, before)).toEqual([])
    expect(after.acknowledged.size).toBeGreaterThan(20)
    expect((await missingIn(replica, own.keys, after)).length).toBe(after.acknowledged.size)
  })

  test('an edge that still holds the old master, now read-only, goes to the new one by itself', async () => {
    const { master, replica, own, point } = await openPair(APPENDED)
    await answered(own, 202)
    await promote(replica)
    await follow(master, replica)
    point(replica)
    await answered(own, 503)
    await answered(own, 202)
    expect(own.errors.map(String).join()).toContain('READONLY')
  })
})
