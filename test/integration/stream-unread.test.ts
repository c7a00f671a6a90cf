import { describe, expect, it } from 'vitest'
import { unreadPartitions } from '../../src/stream/lag.js'
import { newEntry } from '../support/entries.js'
import { readBatches, streamsOfThisFile } from '../support/stream.js'

const streams = streamsOfThisFile()

describe.concurrent('partitions that a worker with fewer PARTITIONS does not read', () => {
  it('are named as long as they hold entries for the group', async () => {
    const { producer, join, redis, first, group } = await streams({ partitions: 4 })
    const prefix = first.events.split(':')[0] ?? ''
    const unread = (partitions: number) => unreadPartitions(redis, prefix, partitions, group)
    expect(await unread(1)).toEqual([])
    for (let call = 0; call < 4; call++) await producer.append([newEntry('cdc', { call })])
    // No worker has ever been there, so the group is missing as well.
    expect([await unread(1), await unread(3), await unread(4)]).toEqual([[1, 2, 3], [3], []])

    const { consumer } = await join()
    const entries = (await readBatches(consumer, 4)).flat()
    expect(await unread(2)).toEqual([2, 3])
    await consumer.acknowledge(entries.map((entry) => ({ entry, letters: [] })))
    expect(await unread(1)).toEqual([])
  })
})
