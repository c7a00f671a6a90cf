import { setTimeout as sleep } from 'node:timers/promises'
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
  const steps = (...commands: string[]) => [
    '    CONSUMER process test:{0}:events',
    ...commands.map((command) => `      ${command}`),
    '      CLIENT xack test:{0}:events',
  ]
  expect(sinks.toSorted()).toEqual(
    [
      ...steps('CLIENT COPY contacts'),
      ...steps('CLIENT find state.contacts', 'CLIENT bulkWrite state.contacts'),
    ].toSorted(),
  )
  const process = request.children[0]?.children ?? []
  const byGroup = new Map(process.map((one) => [one.span.attributes['messaging.consumer.group.name'], one]))
  expect([...byGroup.keys()].sort()).toEqual(['mongo', 'postgres'])
  expect(byGroup.get('postgres')?.span.attributes).toMatchObject({
    'messaging.system': 'redis',
    'messaging.operation.type': 'process',
    'messaging.destination.partition.id': '0',
    'cxone.source': 'cdc',
    'cxone.event.age': expect.closeTo(0.5, 0),
  })
  // The span of the whole command, which it links to, has the rest.
  expect(byGroup.get('postgres')?.children[0]?.span.attributes).toEqual({
    'db.system.name': 'postgresql',
    'db.operation.name': 'COPY',
  })
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
  const ofEvents = producer?.children.flatMap(({ children }) => children.flatMap(({ span }) => linksOf(span)))
  expect(ofEvents?.toSorted()).toEqual(writes.map((span) => span.spanContext().spanId).toSorted())
})

test('an event goes on to the clean feed, and what sinks have nothing to do with it leave no span in its trace', async () => {
  const { prefix, send, settled } = await open(1)
  await send(validated, {
    ...{ event: 'interaction.completed', timestamp: '2026-11-01T09:30:00Z', correlation_id: 'corr-1' },
    data: { channel: 'voice', duration_seconds: 12, agent_id: 'agent-1', customer_email: 'ada@example.com' },
  })
  const [request] = traceTrees(await settled()).filter(({ name }) => name.startsWith('POST'))
  expect(request?.children.flatMap((one) => outline(one, prefix))).toEqual([
    'PRODUCER xadd test:{0}:events',
    '  CONSUMER process test:{0}:events',
    '    PRODUCER xadd test:{0}:feed',
    '    CLIENT xack test:{0}:events',
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
  const requests = traceTrees(spans).filter(({ name }) => name.startsWith('POST'))
  expect(requests).toHaveLength(8)
  const ofPostgres = requests.map(({ children: [producer] }) =>
    producer?.children.filter(({ span }) => span.attributes['messaging.consumer.group.name'] === 'postgres'),
  )
  const outlines = ofPostgres.map((process) => process?.flatMap((one) => outline(one, prefix)))
  const refusals = [
    '  CLIENT COPY contacts !23514',
    '  CLIENT COPY contacts !23514',
    '  CLIENT COPY contacts !23514',
  ]
  expect(outlines[6]).toEqual([
    'CONSUMER process test:{0}:events !refused_by_store',
    ...refusals,
    '  PRODUCER xadd test:{0}:dead',
  ])
  const neighbour = [
    'CONSUMER process test:{0}:events',
    ...refusals.slice(0, 2),
    '  CLIENT COPY contacts',
    '  CLIENT xack test:{0}:events',
  ]
  expect(outlines[7]).toEqual(neighbour)
  const letter = spans.find(({ name }) => name === `xadd ${prefix}:{0}:dead`)
  expect(letter?.attributes).toMatchObject({ 'cxone.dead_letter.reason': 'refused_by_store' })
  const text = JSON.stringify(spans.map(({ attributes, events, status }) => ({ attributes, events, status })))
  expect(text).not.toContain('Ada')
  expect(text).not.toContain('violates')
})
