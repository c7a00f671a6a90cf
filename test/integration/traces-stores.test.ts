import { setTimeout as sleep } from 'node:timers/promises'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { cdc } from '../../schemas/cdc.js'
import type { Contract } from '../../schemas/contract.js'
import { CONTRACTS } from '../../schemas/index.js'
import { validated } from '../../schemas/validated.js'
import { post } from '../support/edge.js'
import { openInProcess } from '../support/in-process.js'
import { recordTracing } from '../support/spans.js'
import { linksOf, outline, traceTrees } from '../support/trace-tree.js'

const millis = ([seconds, nanos]: ReadableSpan['startTime']) => seconds * 1_000 + nanos / 1_000_000

async function open(ratio: number) {
  const { tracing, spans } = recordTracing(ratio)
  const tributary = await openInProcess({ contracts: CONTRACTS, tracing })
  onTestFinished(() => tributary.end())
  const [keys] = tributary.edge.keys
  const send = async (contract: Contract, body: object) => {
    const { status } = await post(tributary.edge.edge, contract, JSON.stringify(body))
    expect(status).toBe(202)
  }
  const tell = (id: string) =>
    send(cdc, {
      ...{ webhookId: 'w', eventType: 'contact.created', timestamp: '2026-11-01T09:30:00Z' },
      eventData: { id, firstName: 'Ada' },
    })
  const drain = async () => {
    await tributary.drain()
    // The spans of a batch are made right after Redis has told that it is settled.
    await sleep(50)
    return spans.getFinishedSpans()
  }
  return { ...tributary, prefix: keys?.events.split(':{')[0] ?? '', send, tell, settled: drain }
}

test('a sampled webhook is one trace, from the request to each sink', async () => {
  const { prefix, tell, settled } = await open(1)
  await tell('c-1')
  const trees = traceTrees(await settled())
  const [request, ...others] = trees.filter(({ name }) => name.startsWith('POST'))
  if (!request) throw new Error('no request')
  expect(others).toEqual([])
  const [server, producer, ...sinks] = outline(request, prefix)
  expect([server, producer]).toEqual(['SERVER POST /webhook/cxone', '  PRODUCER xadd test:{0}:events'])
  const process = '    CONSUMER process test:{0}:events'
  expect(sinks).toEqual([process, process])
  const ofSinks = request.children[0]?.children ?? []
  const byGroup = new Map(ofSinks.map((one) => [one.span.attributes['messaging.consumer.group.name'], one]))
  expect([...byGroup.keys()].sort()).toEqual(['mongo', 'postgres'])
  expect(byGroup.get('postgres')?.span.attributes).toMatchObject({
    'messaging.system': 'redis',
    'messaging.operation.type': 'process',
    'messaging.destination.partition.id': '0',
    'cxone.source': 'cdc',
    'cxone.event.age': expect.closeTo(0.5, 0),
  })
  for (const { span } of ofSinks) {
    expect(span.events.map(({ name }) => name)).toEqual(['committed'])
    const [{ time }] = span.events as [ReadableSpan['events'][number]]
    expect(millis(time)).toBeGreaterThanOrEqual(millis(span.startTime))
    expect(millis(time)).toBeLessThanOrEqual(millis(span.endTime))
  }
})

test('what was done for a batch is a trace of its own, linked both ways', async () => {
  const { prefix, tell, settled } = await open(1)
  await tell('c-1')
  const trees = traceTrees(await settled())
  const [request] = trees.filter(({ name }) => name.startsWith('POST'))
  const producer = request?.children[0]
  const batches = trees.filter(({ name }) => name.startsWith('process'))
  expect(batches.map((batch) => outline(batch, prefix)).toSorted()).toEqual([
    ['CONSUMER process test:{0}:events', '  CLIENT COPY contacts', '  CLIENT xack test:{0}:events'],
    [
      'CONSUMER process test:{0}:events',
      '  CLIENT find state.contacts',
      '  CLIENT bulkWrite state.contacts',
      '  CLIENT xack test:{0}:events',
    ],
  ])
  const id = producer?.span.spanContext().spanId
  for (const { span } of batches) expect(linksOf(span)).toEqual([id])
  const reads = trees.filter(({ name }) => name.startsWith('xreadgroup'))
  expect(reads.map(({ span }) => linksOf(span))).toEqual([[id], [id], [id]])
  const ids = batches.map(({ span }) => span.spanContext().spanId)
  expect(producer?.children.flatMap(({ span }) => linksOf(span)).toSorted()).toEqual(ids.toSorted())
  const writes = batches.flatMap(({ children }) => children.map(({ span }) => span))
  const bulk = writes.find(({ name }) => name.startsWith('bulkWrite'))
  expect(bulk?.attributes).toMatchObject({ 'db.system.name': 'mongodb', 'db.operation.batch.size': 1 })
  const copy = writes.find(({ name }) => name.startsWith('COPY'))
  expect(copy?.attributes).toMatchObject({ 'db.operation.name': 'COPY', 'db.collection.name': 'contacts' })
  expect(copy?.attributes).not.toHaveProperty('db.operation.batch.size')
})

test('an event goes on to the clean feed, and what sinks have nothing to do with it leave no span in its trace', async () => {
  const { prefix, send, settled } = await open(1)
  await send(validated, {
    ...{ event: 'interaction.completed', timestamp: '2026-11-01T09:30:00Z', correlation_id: 'corr-1' },
    data: { channel: 'voice', duration_seconds: 12, agent_id: 'agent-1', customer_email: 'ada@example.com' },
  })
  const trees = traceTrees(await settled())
  const [request] = trees.filter(({ name }) => name.startsWith('POST'))
  expect(request?.children.flatMap((one) => outline(one, prefix))).toEqual([
    'PRODUCER xadd test:{0}:events',
    '  CONSUMER process test:{0}:events',
  ])
  const [process] = request?.children[0]?.children ?? []
  expect(process?.span.events.map(({ name }) => name)).toEqual(['committed'])
  const batch = trees.find(({ span }) => process && linksOf(process.span).includes(span.spanContext().spanId))
  expect(batch && outline(batch, prefix)).toEqual([
    'CONSUMER process test:{0}:events',
    '  PRODUCER xadd test:{0}:feed',
    '  CLIENT xack test:{0}:events',
  ])
})

test('what is not sampled makes no span', async () => {
  const { tell, settled } = await open(0)
  await Promise.all(Array.from({ length: 50 }, (_, at) => tell(`c-${at}`)))
  expect(await settled()).toEqual([])
})

test('events beside each other are a trace each; a refused one shows what was tried, and its letter', async () => {
  const { database, prefix, tell, settled } = await open(1)
  const client = new pg.Client(database.postgresUrl)
  await client.connect()
  await client.query(`ALTER TABLE tributary.contacts ADD CHECK (id <> 'bad')`)
  // Meanwhile no row is written: two batches hang, one waits for them, and one is read ahead. What comes then is one.
  await client.query('BEGIN; LOCK TABLE tributary.contacts IN EXCLUSIVE MODE')
  for (const id of ['first', 'second', 'third', 'fourth']) {
    await tell(id)
    await sleep(200)
  }
  for (const id of ['a', 'b', 'bad', 'c']) await tell(id)
  await client.query('COMMIT')
  await client.end()
  const spans = await settled()
  const trees = traceTrees(spans)
  const requests = trees.filter(({ name }) => name.startsWith('POST'))
  expect(requests).toHaveLength(8)
  const ofPostgres = requests.map(({ children: [producer] }) =>
    producer?.children.filter(({ span }) => span.attributes['messaging.consumer.group.name'] === 'postgres'),
  )
  const outlines = ofPostgres.map((process) => process?.flatMap((one) => outline(one, prefix)))
  expect(outlines[6]).toEqual(['CONSUMER process test:{0}:events !refused_by_store'])
  expect(outlines[7]).toEqual(['CONSUMER process test:{0}:events'])
  const events = ofPostgres.map((process) =>
    process?.flatMap(({ span }) => span.events.map(({ name }) => name)),
  )
  expect(events.slice(4)).toEqual([['committed'], ['committed'], [], ['committed']])
  // The four that came last are one batch, whose trace shows what was tried.
  const [{ span: process } = { span: undefined }] = ofPostgres[7] ?? []
  const batch = trees.find(({ span }) => process && linksOf(process).includes(span.spanContext().spanId))
  const tried = (batch && outline(batch, prefix).map((line) => line.trim())) ?? []
  const copies = tried.filter((line) => line.includes('COPY'))
  const refused = copies.filter((line) => line === 'CLIENT COPY contacts !23514')
  expect([refused.length, copies.length - refused.length]).toEqual([3, 2])
  expect(tried).toContain('PRODUCER xadd test:{0}:dead')
  expect(tried).toContain('CLIENT xack test:{0}:events')
  const letter = spans.find(({ name }) => name === `xadd ${prefix}:{0}:dead`)
  expect(letter?.attributes).toMatchObject({ 'cxone.dead_letter.reason': 'refused_by_store' })
  const text = JSON.stringify(spans.map(({ attributes, events, status }) => ({ attributes, events, status })))
  expect(text).not.toContain('Ada')
  expect(text).not.toContain('violates')
})
