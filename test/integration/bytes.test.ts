import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { cdc } from '../../schemas/cdc.js'
import { CONTRACTS } from '../../schemas/index.js'
import { lengthOf, post, RawConnection, rawPost, send, signed } from '../support/edge.js'
import { type InProcess, openInProcess } from '../support/in-process.js'
import { until } from '../support/stream.js'

const PAGE = readFileSync(join(import.meta.dirname, '../../docs/contracts.md'), 'utf8')
const MAX_BODY_BYTES = 1_048_576

/** An answer, as far as the page speaks of it. */
interface Told {
  readonly status: number
  readonly error: string | undefined
  readonly entry: string | undefined
}

/** The page's table, by its first column. */
function documented(): Map<string, string> {
  const [, section = ''] = /\n## Bytes\n([\s\S]*?)\n## /.exec(PAGE) ?? []
  const rows = [...section.matchAll(/^\| (.*?) \| (.*?) \| (.*?) \|$/gm)].slice(1)
  return new Map(rows.map(([, name = '', answer, stores]) => [name, `${answer} | ${stores}`]))
}

let events = 0
/** Each of a key of its own: what is newer would hide what is older. */
const event = (fields: string) =>
  `{"webhookId":"w","eventType":"contact.created","timestamp":"2025-11-22T09:30:00Z","eventData":{"id":"b-${events++}","x":${fields}}}`
const nested = (depth: number) => event('['.repeat(depth) + ']'.repeat(depth))
const sized = (bytes: number) => {
  const text = event('@')
  return text.replace('@', `"${'x'.repeat(bytes - text.length - 1)}"`)
}

/** What is sent for each row; of several requests all must have the same outcome. */
const ROWS: Readonly<Record<string, (tributary: InProcess) => Promise<Told[]>>> = {
  'an empty body': bodies(''),
  'a byte order mark': bodies(`\ufeff${event('1')}`),
  'bytes that are not UTF-8': bodies(Buffer.from(event('"é"'), 'latin1'), Buffer.from(event('1'), 'utf16le')),
  'a NUL or another control character as it is': bodies(event('"\0"'), event('"\x1f"'), `${event('1')}\0`),
  'anything behind the document': bodies(`${event('1')},`, event('1') + event('1')),
  'NUL as `\\u0000` in a value': bodies(event('"a\\u0000b"')),
  'NUL as `\\u0000` in a name': bodies(event('{"\\u0000":1}')),
  'half a surrogate pair, `\\ud83d`': bodies(event('"\\ud83d"'), event('{"\\ude00":1}')),
  'a whole number beyond 2^53: `12345678901234567890`': bodies(
    event('12345678901234567890'),
    event('{"a":[-9007199254740993]}'),
  ),
  'a whole number of more than 34 digits': bodies(event('9'.repeat(35)), event(`[-${'9'.repeat(1_000)}]`)),
  'another number beyond double precision: `1e400`, `0.12345678901234567890`': bodies(
    event('[1e400]'),
    event('0.12345678901234567890'),
    event('9'.repeat(1_001)),
  ),
  'any other number: `0.10000000000000001`, `9007199254740992`, `1e308`': bodies(
    ...['0.10000000000000001', '9007199254740992', '1e308', '-0', '5e-324'].map(event),
  ),
  'the names `__proto__` and `constructor`, like any other': bodies(
    event('{"__proto__":{"polluted":1}}'),
    event('1,"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}'),
  ),
  'the same name twice: the last one counts': bodies(event('1,"x":2'), event('1,"id":7,"id":"last"')),
  '200 levels of nesting: MongoDB keeps 95': bodies(nested(200)),
  '10,000 levels of nesting': bodies(nested(10_000)),
  'exactly `MAX_BODY_BYTES`': bodies(sized(MAX_BODY_BYTES)),
  'one byte more than `MAX_BODY_BYTES`': bodies(sized(MAX_BODY_BYTES + 1)),
  'any `Content-Type` or none: it is not looked at': async (tributary) => {
    const types = [
      'text/plain',
      'application/x-www-form-urlencoded',
      'application/json; charset=utf-16',
      'no/such type',
    ]
    const typed = types.map((type) => sent(tributary, event('1'), { 'Content-Type': type }))
    return await Promise.all([...typed, sent(tributary, event('1'))])
  },
  '`Content-Encoding: gzip`: nothing is unpacked': async (tributary) => [
    await sent(tributary, gzipSync(event('1')), { 'Content-Encoding': 'gzip' }),
  ],
  '`Transfer-Encoding: chunked`': async ({ edge: { edge } }) => {
    const body = event('1')
    const parts = [Buffer.from(body.slice(0, 10)), Buffer.from(body.slice(10))]
    const { status, headers } = await send(edge.port, cdc.path, parts, { headers: signed(cdc, body) })
    return [{ status, error: undefined, entry: String(headers['tributary-entry']) }]
  },
  '`Expect: 100-continue`: gets its 100 first': async (tributary) => {
    const body = event('1')
    const bytes = rawPost(cdc, body, `${lengthOf(body)}Expect: 100-continue\r\n`)
    const connection = new RawConnection(tributary.edge.edge.port)
    connection.socket.write(bytes.slice(0, -body.length))
    await until(() => connection.received === 'HTTP/1.1 100 Continue\r\n\r\n')
    connection.received = ''
    connection.socket.write(body)
    await until(() => connection.received.includes('accepted'))
    connection.socket.destroy()
    return [rawAnswer(connection.received)]
  },
  '`Content-Length` twice, the same or not': async (tributary) => {
    const body = event('1')
    const lengths = [lengthOf(body).repeat(2), `${lengthOf(body)}Content-Length: 5\r\n`]
    return await Promise.all(
      lengths.map(async (length) => {
        const connection = new RawConnection(tributary.edge.edge.port)
        connection.socket.write(rawPost(cdc, body, length))
        await connection.closed
        return rawAnswer(connection.received)
      }),
    )
  },
}

function bodies(...all: (string | Buffer)[]) {
  return (tributary: InProcess) => Promise.all(all.map((body) => sent(tributary, body)))
}

async function sent({ edge }: InProcess, body: string | Buffer, headers = {}): Promise<Told> {
  const answer = await post(edge.edge, cdc, body, { headers })
  const entry = answer.headers['tributary-entry']
  return { status: answer.status, error: JSON.parse(answer.text).error, entry: entry && String(entry) }
}

function rawAnswer(text: string): Told {
  return {
    status: Number(text.slice('HTTP/1.1 '.length, 'HTTP/1.1 '.length + 3)),
    error: /"error":"(\w+)"/.exec(text)?.[1],
    entry: /Tributary-Entry: (\S+)/.exec(text)?.[1],
  }
}

test('each row of "Bytes" in docs/contracts.md is true', async () => {
  const tributary = await openInProcess({ contracts: CONTRACTS })
  const told = new Map<string, Told[]>()
  for (const [name, shoot] of Object.entries(ROWS)) told.set(name, await shoot(tributary))
  await tributary.drain()

  const letters = new Map<string, string>()
  for (const letter of await tributary.edge.letters()) {
    letters.set(`${letter.get('sink')} ${letter.get('entry')}`, `\`${letter.get('reason')}\``)
  }
  const stores = (entry: string | undefined) => {
    const of = (sink: string) => `${sink}: ${letters.get(`${sink} ${entry}`) ?? 'delivered'}`
    return entry === undefined ? '–' : `${of('postgres')}; ${of('mongo')}`
  }
  const found = [...told].map(([name, answers]) => {
    const outcomes = answers.map(({ status, error, entry }) => {
      return `${status}${error === undefined ? '' : ` \`${error}\``} | ${stores(entry)}`
    })
    return [name, [...new Set(outcomes)].join(' OR ')]
  })
  expect(Object.fromEntries(found)).toEqual(Object.fromEntries(documented()))
  expect(found.length).toBeGreaterThan(20)

  const accepted = [...told.values()].flat().flatMap(({ entry }) => entry ?? [])
  for (const ledger of await tributary.ledger(accepted)) {
    expect(ledger).toMatchObject({ accepted: accepted.length, lost: [], doubled: [], pending: 0 })
  }
  await tributary.end()
})
