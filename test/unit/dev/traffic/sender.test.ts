import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { afterEach, describe, expect, test } from 'vitest'
import type { Hmac } from '../../../../schemas/authentication.js'
import { CONTRACTS } from '../../../../schemas/index.js'
import { type SampleOptions, sampleRequests } from '../../../../src/dev/traffic/samples.js'
import { type Delivery, type SendOptions, sendTraffic } from '../../../../src/dev/traffic/sender.js'

/** The secret of a contract is its name. */
const SENDERS = new Map(
  CONTRACTS.map((contract) => [contract, { schemes: [contract.authentication], secrets: [contract.name] }]),
)

const cleanUps: (() => void)[] = []
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0)) cleanUp()
})

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanUps.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function send(
  url: string,
  options: Partial<SendOptions & SampleOptions> & { onAnswer?: (d: Delivery) => void },
) {
  const requests = sampleRequests({ seed: 5, count: 10, ...options })
  return sendTraffic({ url, requests, senders: SENDERS, signal: new AbortController().signal, ...options })
}

let entries = 0
function accept(_: IncomingMessage, response: ServerResponse): void {
  response.writeHead(202, { 'Tributary-Entry': `0/${entries++}-0` }).end('{"status":"accepted"}')
}

function refuse(response: ServerResponse, status: number, error: string, headers = {}): void {
  response.writeHead(status, headers).end(JSON.stringify({ error, message: 'a reason' }))
}

/** Answers the first time it sees a body in one way, and then in another. */
function firstly(first: RequestListener, then: RequestListener): RequestListener {
  const seen = new Set<string>()
  return async (request, response) => {
    const body = (await buffer(request)).toString()
    if (seen.has(body)) return then(request, response)
    seen.add(body)
    return first(request, response)
  }
}

describe('the sender', () => {
  test('signs each request with its contract’s secret and keeps a ledger of what was accepted', async () => {
    const given: string[] = []
    const url = await serve(async (request, response) => {
      const body = await buffer(request)
      const contract = CONTRACTS.find(({ path }) => path === request.url)
      const { header = '', encoding = 'hex' } = { ...contract?.authentication } as Partial<Hmac>
      const right = createHmac('sha256', contract?.name ?? '')
        .update(body)
        .digest(encoding)
      if (request.headers[header.toLowerCase()] !== right) return refuse(response, 401, 'invalid_signature')
      given.push(`3/${given.length}-0`)
      response.writeHead(202, { 'Tributary-Entry': String(given.at(-1)) }).end('{"status":"accepted"}')
    })
    const heard: Delivery[] = []
    const report = await send(url, { count: 50, onAnswer: (delivery) => heard.push(delivery) })
    expect(report).toMatchObject({ sent: 50, unanswered: 0, redelivered: 0, unexpected: [] })
    expect(report.byAnswer).toEqual({ '202 accepted': 50 })
    expect([...report.acknowledged].sort()).toEqual(given.sort())
    expect(heard).toHaveLength(50)
  })

  test('tells answers that are not the expected ones', async () => {
    const url = await serve(accept)
    const report = await send(url, { count: 20, invalid: 1 })
    const refusable = report.unexpected.map(({ request }) => request.expect)
    expect(refusable.length).toBeGreaterThan(0)
    expect(refusable).not.toContain('accepted')
    expect(report.acknowledged).toHaveLength(20)
  })

  test('sends again what got 429, 503 or no answer, but only where it is asked to', async () => {
    const misbehave: RequestListener[] = [
      (_, response) => refuse(response, 429, 'too_many'),
      (_, response) => refuse(response, 503, 'unavailable'),
      (request) => request.socket.resetAndDestroy(),
      (_, response) =>
        void response.writeHead(202, { 'Content-Length': 100 }).write('{', () => response.destroy()),
    ]
    for (const [i, first] of misbehave.entries()) {
      const again = await send(await serve(firstly(first, accept)), { count: 3, attempts: 2, seed: i })
      expect(again).toMatchObject({ byAnswer: { '202 accepted': 3 }, redelivered: 3, unanswered: 0 })
      const once = await send(await serve(firstly(first, accept)), { count: 3, seed: i })
      expect(once).toMatchObject({ sent: 3, redelivered: 0, acknowledged: [] })
      expect(once.unanswered + once.unexpected.length).toBe(3)
    }
  })

  test('does not send again what was refused for good', async () => {
    const url = await serve((_, response) => refuse(response, 400, 'invalid_body'))
    const report = await send(url, { count: 3, attempts: 5 })
    expect(report).toMatchObject({ byAnswer: { '400 invalid_body': 3 }, redelivered: 0 })
  })

  test('waits as long as Retry-After says', async () => {
    const overloaded: RequestListener = (_, response) =>
      refuse(response, 503, 'overloaded', { 'Retry-After': '1' })
    const url = await serve(firstly(overloaded, accept))
    const start = performance.now()
    const report = await send(url, { count: 2, attempts: 2 })
    expect(report.byAnswer).toEqual({ '202 accepted': 2 })
    expect(performance.now() - start).toBeGreaterThanOrEqual(990)
  })

  test('gives up on a server that is silent, or not there', async () => {
    const silent = await serve(() => undefined)
    const report = await send(silent, { count: 3, timeoutMs: 50 })
    expect(report).toMatchObject({ unanswered: 3, byAnswer: { 'no answer: no answer within 50 ms': 3 } })
    const unreachable = await send('http://127.0.0.1:1', { count: 3 })
    expect(unreachable).toMatchObject({ unanswered: 3, byAnswer: { 'no answer: ECONNREFUSED': 3 } })
  })

  test('understands a proxy that answers in HTML', async () => {
    const url = await serve((_, response) => void response.writeHead(502).end('<html>'))
    expect((await send(url, { count: 2 })).byAnswer).toEqual({ '502': 2 })
  })

  test('keeps to the rate, whatever the answers take', async () => {
    // No answer before the last request has come: who waits for answers gets none.
    const answers: (() => void)[] = []
    const url = await serve((request, response) => {
      answers.push(() => accept(request, response))
      if (answers.length === 41) for (const answer of answers) answer()
    })
    const start = performance.now()
    const report = await send(url, { count: 41, rate: 100, timeoutMs: 50_000 })
    expect(performance.now() - start).toBeGreaterThanOrEqual(400)
    expect(report.unanswered).toBe(0)
  })

  test('has no more in flight than it may, on as many connections', async () => {
    let [open, most] = [0, 0]
    const sockets = new Set<unknown>()
    const url = await serve((request, response) => {
      most = Math.max(most, ++open)
      sockets.add(request.socket)
      setTimeout(() => {
        open--
        accept(request, response)
      }, 5)
    })
    await send(url, { count: 60, inFlight: 4 })
    expect(most).toBe(4)
    expect(sockets.size).toBe(4)
  })

  test('stops at once when the signal is aborted, and counts what had no answer yet', async () => {
    const stop = new AbortController()
    const url = await serve((request, response) => {
      if (entries++ % 2 === 0) accept(request, response)
      else setTimeout(() => stop.abort(), 20)
    })
    // Longer than a test may take: it ends because it is stopped.
    const limits = { inFlight: 8, attempts: 9, timeoutMs: 600_000 }
    const report = await send(url, { count: 1_000, ...limits, signal: stop.signal })
    expect(report.unanswered).toBeGreaterThan(0)
    expect(report.sent).toBe(report.acknowledged.length + report.unanswered)
    expect(report.sent).toBeLessThan(1_000)
  })

  test('ends with the requests, not with the turns of a slow rate', async () => {
    const url = await serve(accept)
    const start = performance.now()
    await send(url, { count: 2, rate: 4 })
    // With a turn for each of its 64 lanes it would take 16 s.
    expect(performance.now() - start).toBeLessThan(8_000)
  })
})
