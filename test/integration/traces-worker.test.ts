import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { TransientError } from '../../src/errors.js'
import { moveToLog } from '../../src/stream/dead-letters/redrive.js'
import { newEntry } from '../support/entries.js'
import { memorySink } from '../support/memory-sink.js'
import { recordTracing } from '../support/spans.js'
import { streamsOfThisFile, type TestStream, until } from '../support/stream.js'
import { linksOf, outline, type TracedStep, traceTrees } from '../support/trace-tree.js'
import { MAX_DELIVERIES, work } from '../support/worker.js'

const streams = streamsOfThisFile()
/** The span that appended the entry; the edge's, and not here. */
const [TRACE, SPAN] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331']

const contact = (id: string, trace = '') => ({
  ...newEntry('cdc', {
    webhookId: 'w',
    eventType: 'contact.created',
    timestamp: '2026-11-01T09:30:00Z',
    eventData: { id },
  }),
  trace,
})
const traced = (id: string) => contact(id, `00-${TRACE}-${SPAN}-01`)

/** The spans of the one entry's trace, and of batches, once this many entries are acknowledged. */
async function look(
  { stats }: Pick<Awaited<ReturnType<typeof work>>, 'stats'>,
  { spans }: ReturnType<typeof recordTracing>,
  settled = 1,
) {
  await until(() => stats.acknowledged === settled)
  // The spans of a batch are made right after it is counted.
  await sleep(20)
  const trees = traceTrees(spans.getFinishedSpans(), [SPAN])
  const isOf = ({ span }: TracedStep) => span.spanContext().traceId === TRACE
  return { own: trees.filter(isOf), others: trees.filter((tree) => !isOf(tree)) }
}

const prefixOf = ({ first }: TestStream) => first.events.split(':{')[0] ?? ''
const retriesOf = ({ span: { events } }: TracedStep) =>
  events.map(({ name, attributes }) => [name, attributes])

test('of a batch only what is sampled has spans', async () => {
  const stream = await streams({ partitions: 2 })
  const record = recordTracing()
  await stream.producer.append([contact('a'), traced('b'), contact('c')])
  const worker = await work(stream, memorySink(), { tracing: record.tracing })
  const { own, others } = await look(worker, record, 3)
  worker.stop.abort()
  await worker.ended
  const prefix = prefixOf(stream)
  expect(own.flatMap((tree) => outline(tree, prefix))).toEqual(['CONSUMER process test:{0}:events'])
  expect(others.map(({ name }) => name.replace(prefix, 'test'))).toEqual([
    'xreadgroup test:{*}:events',
    'process test:{*}:events',
  ])
  for (const { span } of others) {
    expect(span.attributes).toMatchObject({ 'messaging.batch.message_count': 3 })
    expect(linksOf(span)).toEqual([SPAN])
  }
})

test('a batch links to 128 messages at most, and each has its trace', async () => {
  const stream = await streams()
  const record = recordTracing()
  await stream.producer.append(Array.from({ length: 200 }, (_, at) => traced(`c-${at}`)))
  const worker = await work(stream, memorySink(), { tracing: record.tracing, batch: 500 })
  const { own, others } = await look(worker, record, 200)
  worker.stop.abort()
  await worker.ended
  expect(own).toHaveLength(200)
  // The first read does not know yet how small they are, and takes fewer.
  const batches = others.filter(({ name }) => name.startsWith('process'))
  const sizes = batches.map(({ span }) => Number(span.attributes['messaging.batch.message_count']))
  expect(Math.max(...sizes)).toBeGreaterThan(128)
  expect(batches.map(({ span }) => span.links.length)).toEqual(sizes.map((size) => Math.min(128, size)))
})

test('attempts that failed are told of in the trace', async () => {
  const stream = await streams()
  const record = recordTracing()
  let failures = 0
  const sink = memorySink({
    before: () => {
      if (failures++ < 2) throw new TransientError(`down ${failures}`)
    },
  })
  await stream.producer.append([traced('a')])
  const worker = await work(stream, sink, { tracing: record.tracing })
  const { own, others } = await look(worker, record)
  worker.stop.abort()
  await worker.ended
  const retries = [1, 2].map((attempt) => [
    'retry',
    { 'cxone.retry.attempt': attempt, 'exception.message': `down ${attempt}` },
  ])
  expect(own.map(retriesOf)).toEqual([[...retries, ['committed', {}]]])
  const batch = others.find(({ name }) => name.startsWith('process'))
  expect(batch && retriesOf(batch)).toEqual(retries)
})

test('a worker that crashes leaves no orphans, and the one that takes over goes on with the trace', async () => {
  const stream = await streams()
  const record = recordTracing()
  await stream.producer.append([traced('a')])
  const killed = await stream.join({ leaseMs: 100 })
  await killed.consumer.read(AbortSignal.timeout(5_000))
  killed.crash()
  await sleep(150)
  const worker = await work(stream, memorySink(), { tracing: record.tracing, leaseMs: 100 })
  const { own, others } = await look(worker, record)
  worker.stop.abort()
  await worker.ended
  expect(own.map(({ span }) => span.attributes['cxone.deliveries'])).toEqual([2])
  expect(own.flatMap((tree) => outline(tree, prefixOf(stream)))).toEqual(['CONSUMER process test:{0}:events'])
  expect(others.map(({ name }) => name.split(' ')[0])).toEqual(['xautoclaim', 'process'])
})

test('what a worker gives up is a failed stretch of the trace; another one settles it', async () => {
  const stream = await streams()
  const record = recordTracing()
  await stream.producer.append([traced('a')])
  const down = memorySink({
    before: () => {
      throw new TransientError('down')
    },
  })
  const first = await work(stream, down, { tracing: record.tracing, leaseMs: 100 })
  await until(() => first.stats.retries > 0)
  first.stop.abort()
  first.giveUp.abort()
  await first.ended.catch(() => undefined)
  first.crash()
  await sleep(150)
  const second = await work(stream, memorySink(), { tracing: record.tracing, leaseMs: 100 })
  const { own } = await look(second, record)
  second.stop.abort()
  await second.ended
  expect(own.flatMap((tree) => outline(tree, prefixOf(stream)))).toEqual([
    'CONSUMER process test:{0}:events !AbortError',
    'CONSUMER process test:{0}:events',
  ])
})

test('an entry that ends its workers is deadLettered within its trace', async () => {
  const stream = await streams()
  const record = recordTracing()
  await stream.producer.append([traced('a')])
  const deadly = memorySink({
    before: () => {
      throw new TypeError('it ends the worker')
    },
  })
  for (let deliveries = 0; deliveries < MAX_DELIVERIES; deliveries++) {
    const { ended, crash } = await work(stream, deadly, { tracing: record.tracing, leaseMs: 100 })
    await ended.catch(() => undefined)
    crash()
    await sleep(150)
  }
  const last = await work(stream, deadly, { tracing: record.tracing, leaseMs: 100 })
  const { own } = await look(last, record)
  last.stop.abort()
  await last.ended
  expect(own.flatMap((tree) => outline(tree, prefixOf(stream)))).toEqual([
    ...Array(MAX_DELIVERIES).fill('CONSUMER process test:{0}:events !TypeError'),
    'CONSUMER process test:{0}:events !poison',
  ])
})

test('a redriven entry begins a trace that is linked to the one of its request', async () => {
  const stream = await streams()
  const record = recordTracing()
  await stream.producer.append([traced('a')])
  let refusing = true
  const sink = memorySink({ refuses: () => refusing })
  const worker = await work(stream, sink, { tracing: record.tracing })
  await look(worker, record)
  refusing = false
  const [letter] = await stream.letters()
  const [[streamId = ''] = []] = await stream.redis.xrange(stream.first.dead, '-', '+')
  expect(letter).toMatchObject({ trace: `00-${TRACE}-${SPAN}-01` })
  const { partition, id } = { partition: 0, id: String(letter?.entry).split('/')[1] ?? '' }
  const origin = { partition, entryId: id, index: 0, sink: 'mongo', attempts: 1, firstAt: 1 }
  expect(await moveToLog(stream.redis, stream.first, [{ streamId, entry: traced('a'), origin }])).toBe(1)
  await until(() => sink.stored.size === 1)
  const { own, others } = await look(worker, record, 2)
  worker.stop.abort()
  await worker.ended
  expect(own).toHaveLength(1)
  const [redriven, ...more] = others.filter(
    ({ span }) => span.attributes['messaging.message.id'] !== undefined,
  )
  expect(more).toEqual([])
  expect(redriven && outline(redriven, prefixOf(stream))).toEqual(['CONSUMER process test:{0}:events'])
  expect(redriven && linksOf(redriven.span)).toContain(SPAN)
})
