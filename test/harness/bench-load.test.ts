import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { createRequests } from '../../bench/load/bodies.js'
import { runLoad } from '../../bench/load/loops.js'
import type { RequestRecipe } from '../../bench/load/plan.js'
import { Durations } from '../../src/health/durations.js'

const FRESH: RequestRecipe = { body: 'contact', size: 300, signed: true, run: 'r', variety: 'fresh' }

async function serve(handle: (request: IncomingMessage, body: string) => Promise<number> | number) {
  const bodies: string[] = []
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', async () => {
      bodies.push(body)
      const status = await handle(request, body)
      // In two parts, as a network may bring them.
      response.writeHead(status, { 'content-type': 'application/json' })
      response.write('{"status":')
      response.end('"x"}')
    })
  })
  server.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  onTestFinished(() => void server.closeAllConnections())
  return { port: (server.address() as AddressInfo).port, bodies }
}

test('a closed loop sends as fast as it is answered, and counts every answer', async () => {
  const { port, bodies } = await serve(() => 202)
  const loop = { kind: 'closed', warmUp: 0.2, seconds: 0.5 } as const
  const report = await runLoad({ port, connections: 4, requests: FRESH, loop })
  expect(report.acknowledged).toBe(bodies.length)
  expect(new Set(bodies).size).toBe(bodies.length)
  expect(report.byStatus[202]).toBeLessThan(report.acknowledged)
  expect(new Durations(report.durations).count).toBe(report.byStatus[202])
  expect([...report.flags].filter((flag) => flag === 1)).toHaveLength(report.acknowledged)
  expect([report.unanswered, report.unsent]).toEqual([0, 0])
})

test('an open loop keeps its rate, and a server that stalls is charged for all that had to wait', async () => {
  let stall: Promise<void> | undefined
  const { port, bodies } = await serve(async () => {
    await stall
    return 202
  })
  void sleep(500).then(() => {
    stall = sleep(1_000).then(() => {
      stall = undefined
    })
  })
  const loop = { kind: 'open', rate: 100, seconds: 3 } as const
  const report = await runLoad({ port, connections: 2, requests: FRESH, loop })
  expect(report.acknowledged).toBe(300)
  expect(bodies).toHaveLength(300)
  const durations = new Durations(report.durations)
  // Two requests were on their way; by them alone 1 % would be slow. A third of them was due meanwhile.
  expect(durations.quantile(0.75)).toBeGreaterThan(150)
  expect(durations.quantile(1)).toBeGreaterThan(800)
})

test('answers that are no acknowledgements are told apart, and requests without an answer are counted', async () => {
  const { port } = await serve((request, body) => {
    if (body.includes('r-7"')) request.socket.destroy()
    return body.includes('r-3"') ? 503 : 202
  })
  const loop = { kind: 'open', rate: 50, seconds: 1 } as const
  const report = await runLoad({ port, connections: 3, requests: FRESH, loop })
  expect(report).toMatchObject({ byStatus: { 202: 48, 503: 1 }, acknowledged: 48, unanswered: 1 })
  expect([report.flags[3], report.flags[7], report.flags[8]]).toEqual([0, 0, 1])
})

test('bodies have the size that was asked for, and are signed or not', () => {
  const make = createRequests({ ...FRESH, size: 700 })
  const [head = '', body = ''] = make(5).toString().split('\r\n\r\n')
  expect(body).toHaveLength(700)
  expect(JSON.parse(body)).toMatchObject({ eventType: 'contact.created', eventData: { id: 'r-5' } })
  const wrong = createRequests({ ...FRESH, size: 700, signed: false })(5)
    .toString()
    .split('\r\n\r\n')
  expect(wrong[1]).toBe(body)
  expect(wrong[0]).not.toBe(head)
  const pool = createRequests({ ...FRESH, variety: 3 })
  expect(pool(4)).toBe(pool(1))
})
