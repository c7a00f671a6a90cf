import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, inject, it } from 'vitest'
import { dataAction } from '../../schemas/data-action.js'
import { HTTP, lengthOf, openEdge, RawConnection, rawPost } from '../support/edge.js'
import { until } from '../support/stream.js'

const PAGE = readFileSync(join(import.meta.dirname, '../../docs/contracts.md'), 'utf8')
const EVENT = '{"id":"e-1","type":"t"}'
const LENGTH = lengthOf(EVENT)
const GOOD = rawPost(dataAction, EVENT)
const CHUNKED = rawPost(dataAction, EVENT, 'Transfer-Encoding: chunked\r\n').slice(0, -EVENT.length)
const CHUNK = `${EVENT.length.toString(16)}\r\n${EVENT}\r\n`

const withHeader = (lines: string) => rawPost(dataAction, EVENT, `${lines}${LENGTH}`)
const lines = (count: number) => Array.from({ length: count }, (_, i) => `X-${i}: x\r\n`).join('')

/** What is sent for each row of the page; all requests of a row must have the same outcome. */
const ROWS: Readonly<Record<string, readonly string[]>> = {
  'a header name with a character other than letters, digits and hyphens: `X_Request_Id`': [
    withHeader('X_Request_Id: a\r\n'),
    withHeader('X.Id: a\r\n'),
  ],
  'a header line without a colon, with a space before it, or folded over two lines': [
    withHeader('Xabc\r\n'),
    withHeader('X : a\r\n'),
    withHeader('X: a\r\n b\r\n'),
  ],
  'a control character in a header': [withHeader('X: a\x01b\r\n'), withHeader('X: a\0b\r\n')],
  'more than 100 headers': [withHeader(lines(200))],
  'headers larger than 16 KiB': [withHeader(`X: ${'x'.repeat(20_000)}\r\n`)],
  'headers that take longer than 10 s': [GOOD.slice(0, -EVENT.length - 4)],
  'no `Host`': [GOOD.replace('Host: localhost\r\n', '')],
  'two `Host`': [GOOD.replace('Host:', 'Host: a\r\nHost:')],
  'HTTP/1.0': [GOOD.replace('HTTP/1.1', 'HTTP/1.0')],
  'another version of HTTP, or no HTTP at all: TLS': [
    GOOD.replace('HTTP/1.1', 'HTTP/9.9'),
    GOOD.replace('HTTP/1.1', 'HTTP/2.0'),
    'GET\r\n\r\n',
    '\x16\x03\x01\x02\x00\x01',
    'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n',
  ],
  'a method that HTTP does not have': [GOOD.replace('POST', 'BREW'), GOOD.replace('POST', 'post')],
  '`Content-Length` twice, or `Transfer-Encoding` other than `chunked`': [
    rawPost(dataAction, EVENT, LENGTH + LENGTH),
    rawPost(dataAction, EVENT, `${LENGTH}Content-Length: 5\r\n`),
    CHUNKED.replace('chunked', 'xchunked') + CHUNK,
    CHUNKED.replace('chunked', 'gzip, chunked') + CHUNK,
  ],
  'a `Content-Length` that is no number, or beside `Transfer-Encoding`': [
    rawPost(dataAction, EVENT, `Content-Length: ${EVENT.length}, ${EVENT.length}\r\n`),
    rawPost(dataAction, EVENT, `Content-Length: -${EVENT.length}\r\n`),
    rawPost(dataAction, EVENT, `${LENGTH}Transfer-Encoding: chunked\r\n`),
  ],
  '`Transfer-Encoding: chunked` twice': [
    `${CHUNKED.replace('Transfer', 'Transfer-Encoding: chunked\r\nTransfer')}${CHUNK}0\r\n\r\n`,
  ],
  'a chunk whose size is no number': [`${CHUNKED}zz\r\n`],
  'a chunk without a line end behind it': [`${CHUNKED}${CHUNK.slice(0, -2)}X0\r\n\r\n`],
  'a request before the answer to the one before it': [GOOD.repeat(3)],
}

/** The page's table: the outcome on the HTTP server of this run, by its first column. */
function documented(): Map<string, string> {
  const [, section = ''] = /\n### Malformed HTTP\n([\s\S]*?)\n## /.exec(PAGE) ?? []
  const rows = [...section.matchAll(/^\| (.*?) \| (.*?) \| (.*?) \|$/gm)].slice(1)
  return new Map(rows.map(([, name = '', uws = '', node = '']) => [name, HTTP.name === 'uws' ? uws : node]))
}

/** uWebSockets.js ends a silent connection after 8 to 12 s. */
const PATIENCE_MS = 20_000

async function outcome(port: number, bytes: string): Promise<string> {
  const connection = new RawConnection(port)
  connection.socket.write(bytes, 'latin1')
  const since = performance.now()
  let closed = false
  const ended = connection.closed.then(() => {
    closed = true
  })
  await until(() => closed || connection.received !== '', PATIENCE_MS)
  const silent = connection.received === '' && performance.now() - since > 5_000
  if (silent) return 'closed after 10 s'
  // What closes does so at once: an open connection would stay for 8 s.
  await Promise.race([ended, sleep(2_000)])
  connection.socket.destroy()
  const [, status] = /^HTTP\/1.1 (\d+)/.exec(connection.received) ?? []
  const [, code] = /"error":"(\w+)"/.exec(connection.received) ?? []
  if (status === '202' && !closed) return 'accepted'
  if (status === undefined) return 'closed'
  const text = `${status}${code ? ` \`${code}\`` : connection.received.includes('<') ? ' in HTML' : ''}`
  return closed ? `${text}, closed` : text
}

describe('what is no HTTP', () => {
  it('ends as docs/contracts.md says, row by row, and nothing of it is kept', async () => {
    const test = await openEdge(inject('services').redisUrl)
    const page = documented()
    expect([...page.keys()]).toEqual(Object.keys(ROWS))
    const seen = await Promise.all(
      Object.entries(ROWS).map(async ([name, requests]) => {
        const outcomes = await Promise.all(requests.map((bytes) => outcome(test.edge.port, bytes)))
        return [name, [...new Set(outcomes)].join(' | ')] as const
      }),
    )
    expect(new Map(seen)).toEqual(page)
    // Of requests in a row the first one is answered, or none.
    const acknowledged = [...page].flatMap(([name, told]) =>
      told.startsWith('202') ? [name] : told === 'accepted' ? (ROWS[name] ?? []) : [],
    )
    await until(() => test.edge.stats().inFlight === 0)
    const kept = (await test.entries()).length
    if (HTTP.name === 'node') expect(kept).toBe(acknowledged.length)
    // uWebSockets.js may close the connection behind a request that it has read wholly.
    else expect(kept).toBeGreaterThanOrEqual(acknowledged.length)
    expect(test.edge.stats().accepted).toBe(acknowledged.length)
    await test.end()
  })

  it('has nothing behind it answered by node:http', async () => {
    if (HTTP.name !== 'node') return
    const test = await openEdge(inject('services').redisUrl)
    const doubtful = [
      rawPost(dataAction, EVENT, LENGTH + LENGTH),
      CHUNKED.replace('chunked', 'xchunked') + CHUNK,
      `${CHUNKED}zz\r\n`,
      `${CHUNKED}${CHUNK.slice(0, -2)}X0\r\n\r\n`,
      GOOD.replace('Host:', 'Host: a\r\nHost:'),
    ]
    const connections = doubtful.map((bytes) => {
      const connection = new RawConnection(test.edge.port)
      connection.socket.write(bytes + GOOD)
      return connection
    })
    await Promise.all(connections.map(({ closed }) => closed))
    const answers = connections.map(({ received }) => received.match(/HTTP\/1.1 \d+/g))
    expect(answers).toEqual(doubtful.map(() => ['HTTP/1.1 400']))
    expect(await test.entries()).toEqual([])
    expect(Object.values(test.edge.stats().refused).reduce((sum, n) => sum + n, 0)).toBe(doubtful.length)
    await test.end()
  })
})
