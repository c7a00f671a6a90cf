import { Agent } from 'node:http'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { cdc } from '../../schemas/cdc.js'
import { contactSync } from '../../schemas/contact-sync.js'
import { dataAction } from '../../schemas/data-action.js'
import type { GuardedContract } from '../../src/edge/receive.js'
import { type Answer, guarded, openEdge, post, SECRET, send, signed, type TestEdge } from '../support/edge.js'

const EVENT = '{"id":"e-1","type":"contact.created","name":"Zoë 🎈"}'

function json(answer: Answer): unknown {
  expect(answer.headers['content-type']).toBe('application/json')
  return JSON.parse(answer.text)
}

describe('an edge', () => {
  let test: TestEdge
  beforeAll(async () => {
    test = await openEdge(inject('services').redisUrl, { maxBodyBytes: 10_000 })
  })
  afterAll(() => test.end())

  const entryOf = async (answer: Answer) => {
    const place = answer.headers['tributary-entry']
    return (await test.entries()).find(({ partition, id }) => `${partition}/${id}` === place)
  }
  const letterOf = async (delivery: string) => {
    const letters = await test.letters()
    const letter = letters.find((fields) => fields.get('delivery')?.toString() === delivery)
    return letter && { body: letter.get('body'), fields: text(letter) }
  }

  it('answers 202 with the place of the entry, which holds the very bytes', async () => {
    const body = Buffer.from(` ${EVENT}\n`)
    const before = Date.now()
    const answer = await post(test.edge, dataAction, body, { headers: { 'webhook-id': 'd-1' } })
    expect([answer.status, answer.text]).toEqual([202, '{"status":"accepted"}'])
    expect(answer.headers['tributary-entry']).toMatch(/^0\/\d{13}-\d+$/)
    const entry = await entryOf(answer)
    expect(entry).toMatchObject({ source: 'data-action', delivery: 'd-1', trace: '', body })
    expect(Number(entry?.id.slice(0, 13))).toBeGreaterThanOrEqual(before - 1)
  })

  it.each([
    [cdc, '{"webhookId":"w","eventType":"x.y","timestamp":"2026-11-22T09:30:00Z","eventData":{"id":"1"}}'],
    [contactSync, '{"events":[]}'],
    [dataAction, EVENT],
  ])('takes $path', async (contract, body) => {
    const answer = await post(test.edge, contract, body)
    expect(answer.status).toBe(202)
    expect((await entryOf(answer))?.source).toBe(contract.name)
  })

  it.each([
    [{ 'webhook-id': 'a', 'x-nexus-delivery-id': 'b', 'x-request-id': 'c' }, 'a'],
    [{ 'X-Request-Id': 'c', 'X-Nexus-Delivery-Id': 'b' }, 'b'],
    [{ 'X-Request-Id': 'c' }, 'c'],
    [{ 'webhook-id': 'x'.repeat(300) }, 'x'.repeat(200)],
    [{}, ''],
  ])('notes the delivery id of %j', async (headers, delivery) => {
    const answer = await post(test.edge, dataAction, EVENT, { headers })
    expect((await entryOf(answer))?.delivery).toBe(delivery)
  })

  it('answers 404 for a path that no contract has', async () => {
    for (const path of ['/', '/webhook/', '/webhook/other', '/Webhook']) {
      const answer = await send(test.edge.port, path, EVENT)
      expect([answer.status, json(answer)]).toEqual([
        404,
        { error: 'not_found', message: 'There is no webhook at this path' },
      ])
    }
  })

  it('answers 405 for another method, and names the one that is allowed', async () => {
    for (const method of ['GET', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
      const answer = await send(test.edge.port, dataAction.path, '', { method })
      expect([answer.status, answer.headers.allow, json(answer)]).toEqual([
        405,
        'POST',
        { error: 'method_not_allowed', message: 'A webhook takes POST only' },
      ])
    }
  })

  it('answers HEAD without a body, and the connection goes on', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const head = await send(test.edge.port, dataAction.path, '', { method: 'HEAD', agent })
    expect([head.status, head.text]).toEqual([405, ''])
    expect((await post(test.edge, dataAction, EVENT, { agent })).status).toBe(202)
    agent.destroy()
  })

  it('answers 401 where the signature is missing', async () => {
    const answer = await send(test.edge.port, dataAction.path, EVENT)
    expect([answer.status, json(answer)]).toEqual([
      401,
      { error: 'missing_signature', message: 'Missing X-Nice-Webhook-Signature header' },
    ])
  })

  it('answers 401 where the signature is wrong, before it looks at the body', async () => {
    for (const body of [EVENT, 'no json']) {
      const answer = await post(test.edge, dataAction, body, { headers: signed(dataAction, body, 'other') })
      expect([answer.status, json(answer)]).toEqual([
        401,
        { error: 'invalid_signature', message: 'Invalid webhook signature' },
      ])
    }
    expect((await test.letters()).map((letter) => letter.get('body')?.toString())).not.toContain('no json')
  })

  it.each([
    ['no JSON', Buffer.from('{"id":'), 'The body is not JSON: Unexpected end of JSON input'],
    ['no UTF-8', Buffer.from([0x22, 0xff, 0x00, 0x22]), 'The body is not UTF-8'],
    ['nothing', Buffer.alloc(0), 'The body is empty; send JSON'],
  ])('answers 400 to %s, and keeps the raw bytes as a dead letter', async (delivery, body, message) => {
    const before = Date.now()
    const answer = await post(test.edge, dataAction, body, { headers: { 'x-request-id': delivery } })
    expect([answer.status, json(answer)]).toEqual([400, { error: 'malformed_json', message }])
    const letter = await letterOf(delivery)
    expect(letter?.body).toEqual(body)
    expect(letter?.fields).toMatchObject({
      ...{ reason: 'malformed_json', message, sink: 'edge', source: 'data-action', entry: '', index: '' },
      ...{ delivery, trace: '' },
    })
    expect(Number(letter?.fields.received)).toBeGreaterThanOrEqual(before)
  })

  it.each([
    ['no events', contactSync, '{"contacts":[]}', '/events is required'],
    ['events no array', contactSync, '{"events":{}}', '/events must be array'],
    ['no type', dataAction, '{"id":"1"}', '/type is required'],
  ])('answers 400 to a body of another shape: %s', async (delivery, contract, body, why) => {
    const answer = await post(test.edge, contract, body, { headers: { 'x-request-id': delivery } })
    const message = `The body is not one of ${contract.name}: ${why}`
    expect([answer.status, json(answer)]).toEqual([400, { error: 'invalid_body', message }])
    const letter = await letterOf(delivery)
    expect(letter?.body?.toString()).toBe(body)
    expect(letter?.fields).toMatchObject({ reason: 'invalid_body', message, source: contract.name })
  })

  it('takes a body of just the allowed size, and answers 413 to one byte more', async () => {
    const exact = sized(10_000)
    expect((await post(test.edge, dataAction, exact)).status).toBe(202)
    const answer = await post(test.edge, dataAction, sized(10_001))
    expect([answer.status, json(answer)]).toEqual([
      413,
      { error: 'body_too_large', message: 'The body is larger than 10000 bytes' },
    ])
  })

  it('answers 413 to 3 MB, in chunks or at once, and the connection goes on', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const body = sized(3_000_000)
    const atOnce = await post(test.edge, dataAction, body, { agent })
    const chunks = Array.from({ length: 30 }, (_, i) => body.subarray(i * 100_000, (i + 1) * 100_000))
    const headers = signed(dataAction, body)
    const chunked = await send(test.edge.port, dataAction.path, chunks, { headers, agent })
    expect([atOnce.status, chunked.status]).toEqual([413, 413])
    expect([atOnce.headers.connection, chunked.headers.connection]).not.toContain('close')
    expect((await post(test.edge, dataAction, EVENT, { agent })).status).toBe(202)
    agent.destroy()
  })

  it('takes a body in chunks', async () => {
    const parts = [...Buffer.from(EVENT)].map((byte) => Buffer.of(byte))
    const headers = signed(dataAction, EVENT)
    const answer = await send(test.edge.port, dataAction.path, parts, { headers })
    expect(answer.status).toBe(202)
    expect((await entryOf(answer))?.body.toString()).toBe(EVENT)
  })
})

describe('edges', () => {
  it('count each answer by its code', async () => {
    const test = await openEdge(inject('services').redisUrl)
    await post(test.edge, dataAction, EVENT)
    await post(test.edge, dataAction, EVENT)
    await post(test.edge, dataAction, '{')
    await send(test.edge.port, dataAction.path, EVENT)
    await send(test.edge.port, '/', EVENT)
    const { accepted, refused, aborted, inFlight, bufferedBytes, latencyMs } = test.edge.stats()
    expect([accepted, aborted, inFlight, bufferedBytes]).toEqual([2, 0, 0, 0])
    const some = Object.entries(refused).filter(([, count]) => count > 0)
    expect(Object.fromEntries(some)).toEqual({ malformed_json: 1, missing_signature: 1, not_found: 1 })
    expect(latencyMs.p99).toBeGreaterThan(0)
    await test.end()
  })

  it('take unsigned requests only where configuration says so, and every active secret', async () => {
    const anybody: GuardedContract = { contract: cdc, access: { schemes: [{ scheme: 'none' }], secrets: [] } }
    const contracts = [anybody, guarded(dataAction, ['next', SECRET])]
    const test = await openEdge(inject('services').redisUrl, { contracts })
    const event =
      '{"webhookId":"w","eventType":"x.y","timestamp":"2026-11-22T09:30:00Z","eventData":{"id":"1"}}'
    expect((await send(test.edge.port, cdc.path, event)).status).toBe(202)
    expect((await send(test.edge.port, dataAction.path, EVENT)).status).toBe(401)
    for (const secret of ['next', SECRET]) {
      const headers = signed(dataAction, EVENT, secret)
      expect((await send(test.edge.port, dataAction.path, EVENT, { headers })).status).toBe(202)
    }
    await test.end()
  })

  it('work side by side, and one that stops leaves the other alone', async () => {
    const { redisUrl } = inject('services')
    const [one, two] = [await openEdge(redisUrl), await openEdge(redisUrl)]
    expect((await post(one.edge, dataAction, EVENT)).status).toBe(202)
    await one.end()
    await expect(post(one.edge, dataAction, EVENT)).rejects.toThrow('ECONNREFUSED')
    expect((await post(two.edge, dataAction, EVENT)).status).toBe(202)
    await two.end()
  })

  it('spread what they take over the partitions', async () => {
    const test = await openEdge(inject('services').redisUrl, { partitions: 3 })
    const places: unknown[] = []
    for (let i = 0; i < 6; i++) {
      places.push((await post(test.edge, dataAction, EVENT)).headers['tributary-entry'])
    }
    const entries = await test.entries()
    expect(entries.map(({ partition, id }) => `${partition}/${id}`).sort()).toEqual(places.sort())
    expect(entries.map(({ partition }) => partition)).toEqual([0, 0, 1, 1, 2, 2])
    await test.end()
  })

  it('do not share a port: the error names the port and the variable', async () => {
    const test = await openEdge(inject('services').redisUrl)
    const { port } = test.edge
    const second = openEdge(inject('services').redisUrl, { port })
    await expect(second).rejects.toThrow(new RegExp(`port ${port} of 127.0.0.1.*PORT`))
    await test.end()
  })
})

function text(letter: ReadonlyMap<string, Buffer>): Record<string, string> {
  return Object.fromEntries([...letter].map(([name, value]) => [name, value.toString()]))
}

function sized(bytes: number): Buffer {
  const start = '{"id":"1","type":"t","pad":"'
  return Buffer.from(`${start}${'x'.repeat(bytes - start.length - 2)}"}`)
}
