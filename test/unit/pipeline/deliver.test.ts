import { describe, expect, it } from 'vitest'
import { contacts } from '../../../schemas/cdc.js'
import { TransientError } from '../../../src/errors.js'
import { deliver } from '../../../src/pipeline/deliver.js'
import type { Change } from '../../../src/sinks/sink.js'
import { fold } from '../../../src/state/fold.js'
import { patch, type State, snapshot } from '../../../src/state/state.js'
import type { Command } from '../../../src/telemetry/command.js'
import { type MemorySinkOptions, memorySink } from '../../support/memory-sink.js'

/** Everything is durable. */
const ALL = { refused: new Map(), postponed: new Map() }
let sequence = 0

/** A change of its own version; `bad` is what the sink below refuses. */
function change(key: string, value: unknown = key): Change {
  const origin = { partition: 0, entryId: `1763780760125-${sequence++}`, index: 0 }
  return { entity: contacts, key, state: snapshot(`v${sequence}`.padStart(9, '0'), [['a', value]]), origin }
}

const holdsBad = ({ state }: { state: State }) => state.fields.get('a')?.value === 'bad'

function setUp(sinkOptions: MemorySinkOptions = {}) {
  const sink = memorySink(sinkOptions)
  const retries: number[] = []
  const stop = new AbortController()
  const onRetry = (_: TransientError, attempt: number) => {
    retries.push(attempt)
  }
  return { sink, retries, stop, options: { sink, fold, batch: 100, signal: stop.signal, onRetry } }
}

describe('deliver', () => {
  it('passes on the commands that the sink reports', async () => {
    const { sink, options } = setUp()
    const told: Command[] = []
    const command = { system: 'postgresql', operation: 'COPY', target: 'contacts', count: 2 } as const
    const telling = {
      ...sink,
      write: async (...[items, signal, report]: Parameters<typeof sink.write>) => {
        await sink.write(items, signal)
        report?.({ ...command, startedAt: 0, durationMs: 1 })
      },
    }
    const report = (one: Command) => void told.push(one)
    await deliver<Change>([change('k'), change('other')], { ...options, sink: telling, report })
    expect(told).toEqual([{ ...command, startedAt: 0, durationMs: 1 }])
  })

  it('writes each key once, in bounded writes', async () => {
    const { sink, options } = setUp()
    const changes = Array.from({ length: 25 }, (_, i) => change(`k${i % 12}`))
    expect(await deliver(changes, { ...options, batch: 5 })).toEqual(ALL)
    expect(sink.writes).toEqual([5, 5, 2])
    expect(sink.stored.size).toBe(12)
  })

  it('writes nothing for nothing', async () => {
    const { sink, options } = setUp()
    expect(await deliver([], options)).toEqual(ALL)
    expect(sink.writes).toEqual([])
  })

  it('names the refused changes, and writes their neighbours', async () => {
    const { sink, options } = setUp({ refuses: holdsBad })
    const bad = change('b', 'bad')
    const { refused } = await deliver([change('a'), bad, change('c')], options)
    expect([...refused.keys()]).toEqual([bad])
    expect(refused.get(bad)).toMatchObject({ reason: 'refused_by_store' })
    expect([...sink.stored.keys()]).toEqual(['contacts a', 'contacts c'])
  })

  it.each([0, 1, 2])('finds the guilty one of several that were joined: number %i', async (guilty) => {
    const isBad = ({ state }: Change) => [...state.fields.values()].some(({ value }) => value === 'bad')
    const { sink, options } = setUp({ refuses: isBad })
    const changes = [0, 1, 2].map((i) => ({
      ...change('k'),
      state: patch(`v${i}`, [[`field${i}`, i === guilty ? 'bad' : 'good']]),
    }))
    const neighbour = change('n')
    const { refused } = await deliver([...changes, neighbour], options)
    expect([...refused.keys()]).toEqual([changes[guilty]])
    const innocent = ['field0', 'field1', 'field2'].filter((_, i) => i !== guilty)
    expect([...(sink.stored.get('contacts k')?.fields.keys() ?? [])]).toEqual(innocent)
    expect(sink.stored.has('contacts n')).toBe(true)
  })

  it('tries again while the sink cannot, and dead-letters nothing', async () => {
    let failures = 3
    const { sink, retries, options } = setUp({
      before: () => {
        if (failures-- > 0) throw new TransientError('away')
      },
    })
    expect(await deliver([change('a')], options)).toEqual(ALL)
    expect(retries).toEqual([1, 2, 3])
    expect([...sink.stored.keys()]).toEqual(['contacts a'])
  })

  it('tries again too where it looks for the guilty one', async () => {
    let failures = 2
    const { sink, retries, options } = setUp({
      refuses: holdsBad,
      before: ([first]) => {
        if (first && !holdsBad(first) && failures-- > 0) throw new TransientError('away')
      },
    })
    const changes = [change('k'), change('k', 'bad')]
    expect([...(await deliver(changes, options)).refused.keys()]).toEqual([changes[1]])
    expect(retries).toEqual([1, 2])
    expect(sink.stored.get('contacts k')?.fields.get('a')?.value).toBe('k')
  })

  it('ends with the reason of the abort, also in the middle of a pause', async () => {
    const { stop, options } = setUp({
      before: () => {
        throw new TransientError('away')
      },
    })
    const reason = new Error('time is over')
    setTimeout(() => stop.abort(reason), 30)
    await expect(deliver([change('a')], options)).rejects.toBe(reason)
  })

  it('hands on what is a bug', async () => {
    const { options } = setUp({
      before: () => {
        throw new TypeError('a bug')
      },
    })
    await expect(deliver([change('a')], options)).rejects.toThrow(new TypeError('a bug'))
  })
})
