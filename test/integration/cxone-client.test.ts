import { once } from 'node:events'
import { createServer } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { CxoneClient } from '../../src/cxone/client.js'
import { AccessError, CxoneRefusal, CxoneTransient } from '../../src/cxone/errors.js'
import { sendPatiently } from '../../src/cxone/retrying.js'
import { missingScopes } from '../../src/cxone/scopes.js'
import {
  BAD_GATEWAY,
  BROKEN,
  CONFLICT,
  type Fault,
  FORBIDDEN,
  GARBAGE,
  HUGE,
  limited,
  UNAUTHORIZED,
} from '../../src/dev/cxone/faults.js'
import { clientOf, failureOf, startCxone } from '../support/cxone.js'

const never = new AbortController().signal
const LIST = { method: 'GET', route: '/api/v2/webhooks' } as const
const LISTED = 'GET /api/v2/webhooks'
const TOKEN = 'POST /oauth2/token'
const list = (client: CxoneClient, signal = never) => client.send(LIST, signal)

describe('an answer that goes wrong', () => {
  const cases: [string, Fault, string, RegExp][] = [
    [
      '403',
      FORBIDDEN,
      'AccessError',
      /^CXone does not permit it: CXone answered 403 .*The token lacks a scope$/,
    ],
    ['409', CONFLICT, 'refusal 409', /^CXone answered 409 to GET \/api\/v2\/webhooks: It exists already$/],
    ['500', BROKEN, 'unknown', /^CXone answered 500 to GET \/api\/v2\/webhooks: Internal error$/],
    [
      '502 with HTML',
      BAD_GATEWAY,
      'unknown',
      /^CXone answered 502 to GET \/api\/v2\/webhooks: 502 Bad Gateway$/,
    ],
    ['not JSON', GARBAGE, 'unknown', /^The answer to GET \/api\/v2\/webhooks is not JSON$/],
    ['too large', HUGE, 'unknown', /the answer has more than 4194304 bytes/],
    ['cut before the answer', { kind: 'cut', applied: true, at: 'start' }, 'unknown', /connection broke/],
    ['cut within the answer', { kind: 'cut', applied: false, at: 'middle' }, 'unknown', /connection broke/],
    ['hanging', { kind: 'hang' }, 'unknown', /there was no whole answer within 1000 ms/],
    ['slower than the timeout', { kind: 'slow', ms: 60_000 }, 'unknown', /no whole answer within 1000 ms/],
    [
      'a redirect',
      { kind: 'answer', status: 302, headers: { location: 'http://127.0.0.1:1/' } },
      'no',
      /answered 302/,
    ],
  ]
  it.each(cases)('%s', async (_, fault, kind, message) => {
    const cxone = await startCxone()
    const isLate = fault.kind === 'hang' || fault.kind === 'slow'
    const client = clientOf(cxone, isLate ? { timeoutMs: 1_000 } : {})
    // The token first, so that the fault hits the request alone, and not in its time.
    await list(client)
    cxone.misbehave(LISTED, fault)
    const failure = await failureOf(list(client))
    expect(failure.message).toMatch(message)
    expect(classOf(failure)).toBe(kind)
    // The next request is not affected.
    expect(await list(client)).toEqual([])
  })

  it('slow, but in time, is an answer as any other', async () => {
    const cxone = await startCxone()
    cxone.misbehave('*', { kind: 'slow', ms: 50 }, 2)
    expect(await list(clientOf(cxone))).toEqual([])
  })

  it('that never begins has not been applied: nothing listens, or there is no such host', async () => {
    const cxone = await startCxone()
    const client = clientOf(cxone, { apiUrl: 'http://127.0.0.1:1', timeoutMs: 2_000 })
    const failure = await failureOf(list(client))
    expect(classOf(failure)).toBe('no')
    expect(failure.message).toMatch(
      /^CXone does not answer GET \/api\/v2\/webhooks: there is no connection \(ECONNREFUSED\)\. Check that http:\/\/127\.0\.0\.1:1 can be reached$/,
    )
    const tls = clientOf(cxone, { apiUrl: cxone.url.replace('http:', 'https:'), timeoutMs: 2_000 })
    expect(classOf(await failureOf(list(tls)))).toBe('no')
  })

  it('to a connection that was kept open too long is not taken for a refusal', async () => {
    let connections = 0
    const server = createServer((socket) => {
      connections++
      socket.on('error', () => undefined)
      socket.once('data', () => {
        const token = JSON.stringify({ access_token: 'ok', expires_in: 300 })
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${token.length}\r\n\r\n${token}`)
        // Accepts a second request, and resets the connection in place of an answer.
        socket.once('data', () => socket.resetAndDestroy())
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const cxone = await startCxone()
    const address = server.address()
    const url = typeof address === 'object' ? `http://127.0.0.1:${address?.port}` : ''
    const client = clientOf(cxone, { apiUrl: url, tokenUrl: `${url}/token` })
    expect(classOf(await failureOf(list(client)))).toBe('unknown')
    expect(connections).toBe(1)
  })
})

describe('a token', () => {
  it('that CXone refuses in the middle of its life is replaced, once', async () => {
    const cxone = await startCxone()
    const client = clientOf(cxone)
    await list(client)
    cxone.tokens.revoke()
    expect(await list(client)).toEqual([])
    expect(cxone.log()).toEqual([
      `${TOKEN} 200`,
      `${LISTED} 200`,
      `${LISTED} 401`,
      `${TOKEN} 200`,
      `${LISTED} 200`,
    ])
    cxone.misbehave(LISTED, UNAUTHORIZED, 2)
    const failure = await failureOf(list(client))
    expect(failure).toBeInstanceOf(AccessError)
    expect(failure.message).toMatch(/^CXone refuses a new token, too: CXone answered 401/)
    expect(cxone.log().slice(5)).toEqual([`${LISTED} 401`, `${TOKEN} 200`, `${LISTED} 401`])
  })

  it('is asked for by one request at a time, however short it lasts under load', async () => {
    const cxone = await startCxone()
    cxone.tokens.lifeSeconds = 0.2
    const client = clientOf(cxone)
    const startedAt = performance.now()
    const endsAt = startedAt + 2_000
    const caller = async () => {
      let calls = 0
      for (; performance.now() < endsAt; calls++) await list(client)
      return calls
    }
    const calls = await Promise.all(Array.from({ length: 20 }, caller))
    const elapsedMs = performance.now() - startedAt
    const refused = cxone.log().filter((line) => line === `${LISTED} 401`).length
    const asked = cxone.log().filter((line) => line.startsWith(TOKEN)).length
    expect(cxone.mostTokenRequests).toBe(1)
    expect(asked).toBeGreaterThan(2)
    // A life of 0.2 s is refreshed after 0.18 s; a 401 makes one more.
    expect(asked).toBeLessThanOrEqual(elapsedMs / 180 + 2 + refused)
    expect(calls.reduce((sum, one) => sum + one, 0)).toBeGreaterThan(asked)
  })

  it('is asked for once by many that start together, also while the endpoint is slow', async () => {
    const cxone = await startCxone()
    cxone.misbehave(TOKEN, { kind: 'slow', ms: 200 })
    const client = clientOf(cxone)
    await Promise.all(Array.from({ length: 50 }, () => list(client)))
    expect(cxone.log().filter((line) => line.startsWith(TOKEN))).toEqual([`${TOKEN} 200`])
    expect(cxone.log()).toHaveLength(51)
  })

  it('that ends while requests wait for their turn is replaced before they are sent', async () => {
    const cxone = await startCxone()
    cxone.tokens.lifeSeconds = 0.3
    const client = clientOf(cxone, { rate: 50 })
    await Promise.all(Array.from({ length: 60 }, () => list(client)))
    // All 60 wait with the first token; two thirds of them are sent after its end.
    expect(cxone.log().filter((line) => line === `${LISTED} 401`).length).toBeLessThan(20)
    expect(cxone.log().filter((line) => line === `${LISTED} 200`)).toHaveLength(60)
  })

  it('is asked for with the scopes that are configured', async () => {
    const cxone = await startCxone()
    await list(clientOf(cxone, { scopes: 'webhooks:read webhooks:write' }))
    expect(new URLSearchParams(String(cxone.requests[0]?.body)).get('scope')).toBe(
      'webhooks:read webhooks:write',
    )
    await list(clientOf(cxone))
    expect(new URLSearchParams(String(cxone.requests[2]?.body)).has('scope')).toBe(false)
  })

  it('that is not given says what to check, and never shows the secret', async () => {
    const cxone = await startCxone()
    const unknown = await failureOf(list(clientOf(cxone, { clientSecret: 'wrong-secret' })))
    expect(unknown).toBeInstanceOf(AccessError)
    expect(unknown.message).toMatch(
      /^CXone gives no token: .* 401 .*: Unknown client\. Check CXONE_TOKEN_URL/,
    )
    const scope = await failureOf(list(clientOf(cxone, { scopes: 'webhooks:read admin' })))
    expect(scope.message).toContain('400 to POST /oauth2/token: A scope is not granted to this client')
    cxone.misbehave(TOKEN, {
      kind: 'answer',
      status: 400,
      body: JSON.stringify({ message: 'no sword/fish, no sword%2Ffish' }),
    })
    expect((await failureOf(list(clientOf(cxone)))).message).toContain(': no ***, no ***.')
    for (const fault of [BROKEN, BAD_GATEWAY, limited('0.2'), { kind: 'hang' } as const]) {
      cxone.misbehave(TOKEN, fault)
      expect(classOf(await failureOf(list(clientOf(cxone, { timeoutMs: 200 }))))).toBe('no')
    }
  })

  it.each(['access_token=hidden&expires_in=300', '{"access_token":"hidden"', '{"token":"hidden"}', '[]', ''])(
    'is not shown where the answer %j has none that can be read',
    async (body) => {
      const cxone = await startCxone()
      cxone.misbehave(TOKEN, { kind: 'answer', status: 200, body })
      const failure = await failureOf(list(clientOf(cxone)))
      expect(failure).toBeInstanceOf(CxoneTransient)
      expect(failure.message).not.toContain('hidden')
    },
  )
})

it('an answer that repeats the token does not get it into a message', async () => {
  const cxone = await startCxone()
  const client = clientOf(cxone)
  await list(client)
  const body = JSON.stringify({ message: `no ${cxone.tokens.newest} here` })
  for (const status of [400, 403, 500]) {
    cxone.misbehave(LISTED, { kind: 'answer', status, body })
    expect((await failureOf(list(client))).message).toMatch(/: no \*\*\* here$/)
  }
})

describe('429', () => {
  it.each([false, true])('holds all requests for as long as CXone says (as a date: %s)', async (asDate) => {
    const cxone = await startCxone()
    const client = clientOf(cxone)
    await list(client)
    cxone.limitFor(2_000, asDate)
    const failure = await failureOf(list(client))
    expect(failure).toBeInstanceOf(CxoneTransient)
    expect((failure as CxoneTransient).retryAfterMs).toBeGreaterThan(0)
    cxone.tokens.revoke()
    expect(await Promise.all(Array.from({ length: 10 }, () => list(client)))).toHaveLength(10)
    // One request was refused, and none came before the time was over: it would have been refused, too.
    expect(cxone.log().filter((line) => line.endsWith('429'))).toEqual([`${LISTED} 429`])
  })

  it('of the token endpoint holds all requests, too, and those for a token as well', async () => {
    const cxone = await startCxone()
    const client = clientOf(cxone)
    cxone.limitFor(1_500)
    expect(await failureOf(list(client))).toBeInstanceOf(CxoneTransient)
    await Promise.all(Array.from({ length: 10 }, () => list(client)))
    expect(cxone.log().slice(0, 3)).toEqual([`${TOKEN} 429`, `${TOKEN} 200`, `${LISTED} 200`])
    expect(cxone.log()).toHaveLength(12)
  })

  it('without Retry-After, or with nonsense in it, is retried with pauses until it works', async () => {
    const cxone = await startCxone()
    cxone.misbehave(LISTED, limited())
    cxone.misbehave(LISTED, limited('soon'))
    const pauses: number[] = []
    await sendPatiently(clientOf(cxone), LIST, never, (_, pauseMs) => pauses.push(pauseMs))
    expect(pauses).toHaveLength(2)
    expect(pauses[0]).toBeLessThanOrEqual(500)
    expect(pauses[1]).toBeLessThanOrEqual(1_000)
    expect(cxone.log().slice(1)).toEqual([`${LISTED} 429`, `${LISTED} 429`, `${LISTED} 200`])
  })

  it('that asks for more than the patience ends it at once', async () => {
    const cxone = await startCxone()
    cxone.misbehave(LISTED, limited('3000'))
    const failure = await failureOf(sendPatiently(clientOf(cxone), LIST, never))
    expect(failure).toBeInstanceOf(CxoneTransient)
    expect(cxone.log()).toHaveLength(2)
  })
})

describe('the abort', () => {
  it('ends whatever waits: a token, an answer, a hold, a pause', async () => {
    const cxone = await startCxone()
    const client = clientOf(cxone)
    const aborted = async (work: (signal: AbortSignal) => Promise<unknown>, after: () => boolean) => {
      const stop = new AbortController()
      const reason = new Error('over')
      const ended = failureOf(work(stop.signal))
      while (!after()) await new Promise((resolve) => setTimeout(resolve, 5))
      stop.abort(reason)
      expect(await ended).toBe(reason)
    }
    cxone.misbehave(TOKEN, { kind: 'hang' })
    await aborted(
      (signal) => list(client, signal),
      () => cxone.requests.length === 1,
    )
    const other = clientOf(cxone)
    cxone.misbehave(LISTED, { kind: 'hang' })
    await aborted(
      (signal) => list(other, signal),
      () => cxone.requests.length === 3,
    )
    cxone.misbehave(LISTED, limited('60'))
    await failureOf(list(other))
    await aborted(
      (signal) => list(other, signal),
      () => true,
    )
    cxone.misbehave(LISTED, limited('60'))
    const third = clientOf(cxone)
    const pauses: number[] = []
    await aborted(
      (signal) => sendPatiently(third, LIST, signal, (_, pauseMs) => pauses.push(pauseMs)),
      () => pauses.length > 0,
    )
  })
})

describe('the scopes', () => {
  it.each([false, true])('that are missing are named, one by one (as a list: %s)', async (asList) => {
    const cxone = await startCxone({ scopes: ['interaction:read', 'webhooks:read'] })
    cxone.scopesAsList = asList
    const client = clientOf(cxone)
    const needed = ['interaction:modify', 'interaction:read', 'dataactions:read']
    expect(await missingScopes(client, needed, never)).toEqual(['interaction:modify', 'dataactions:read'])
    expect(await missingScopes(client, ['webhooks:read'], never)).toEqual([])
  })

  it('are unknown where the answer does not say them', async () => {
    const cxone = await startCxone()
    cxone.misbehave('GET /api/v2/oauth2/userinfo', { kind: 'altered', body: () => '{"sub":"client"}' })
    expect(await failureOf(missingScopes(clientOf(cxone), ['a'], never))).toBeInstanceOf(CxoneTransient)
  })
})

/** `no` and `unknown` for transient errors: whether the request may have been applied. */
function classOf(failure: Error): string {
  if (failure instanceof CxoneTransient) return failure.applied
  return failure instanceof CxoneRefusal ? `refusal ${failure.status}` : failure.name
}
