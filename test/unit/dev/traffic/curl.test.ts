import { execFile } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cdc } from '../../../../schemas/cdc.js'
import { contactSync } from '../../../../schemas/contact-sync.js'
import { dataAction } from '../../../../schemas/data-action.js'
import { curlLine } from '../../../../src/dev/traffic/curl.js'
import { sampleRequests } from '../../../../src/dev/traffic/samples.js'
import type { Senders } from '../../../../src/dev/traffic/signing.js'

const bash = promisify(execFile)
const SECRET = `it's "$ecret" \\n`
const CONTRACTS = [cdc, contactSync, dataAction]
/** Anybody may post contact-sync. */
const SENDERS: Senders = new Map([
  [cdc, { schemes: [cdc.authentication], secrets: [SECRET] }],
  [contactSync, { schemes: [{ scheme: 'none' }], secrets: [] }],
  [dataAction, { schemes: [{ scheme: 'secret', header: "X-It's-Secret" }], secrets: [SECRET] }],
])

interface Received {
  readonly path: string
  readonly body: Buffer
  readonly headers: Record<string, unknown>
}

describe('a curl line, pasted into bash', () => {
  const received: Received[] = []
  const server = createServer(async (request, response) => {
    received.push({ path: request.url ?? '', body: await buffer(request), headers: request.headers })
    response.writeHead(202).end('{"status":"accepted"}')
  })
  let url = ''
  beforeAll(async () => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  afterAll(() => server.close())

  async function paste(lines: string): Promise<string> {
    received.length = 0
    return (await bash('bash', ['-c', lines])).stdout
  }

  test('sends the same bytes with the signature that belongs to them', async () => {
    const requests = [
      ...sampleRequests({ seed: 3, count: 20, invalid: 0.4, contracts: CONTRACTS.map(({ name }) => name) }),
    ]
    await paste(requests.map((request) => curlLine(url, request, SENDERS)).join('\n'))
    expect(received.map(({ path, body }) => [path, body.toString('hex')])).toEqual(
      requests.map(({ contract, body }) => [contract.path, body.toString('hex')]),
    )
    for (const [i, { contract, body, signature }] of requests.entries()) {
      const headers = received[i]?.headers
      const given = headers?.['x-nice-webhook-signature'] ?? headers?.["x-it's-secret"]
      const hmac = createHmac('sha256', SECRET).update(body).digest('base64')
      const right = contract === cdc ? hmac : SECRET
      if (contract === contactSync || signature === 'missing') expect(given).toBeUndefined()
      else if (signature === 'wrong') expect(given).not.toBe(right)
      else expect(given).toBe(right)
      expect(received[i]?.headers['content-type']).toBe('application/json')
    }
  })

  test('prints the status of the answer and its body', async () => {
    const answer = await paste(
      curlLine(url, { contract: cdc, body: Buffer.from('{}'), signature: 'right' }, SENDERS),
    )
    expect(answer).toMatch(/^HTTP\/1.1 202 .*\{"status":"accepted"\}$/s)
  })

  test.each([
    ['quotes', `{"a":"it's \\"$HOME\\" \`id\` !! \\\\"}`],
    ['line breaks', '{\n\t"a": "b"\r\n}\n'],
    ['other scripts', '{"a":"美咲 Ł 🙂"}'],
    ['bytes that are no UTF-8', Buffer.from([0x7b, 0xff, 0x27, 0x5c, 0xc3, 0x01, 0x7f])],
    ['a NUL as an escape', '{"a":"\\u0000"}'],
  ])('carries %s', async (_, content) => {
    const body = Buffer.from(content as string)
    await paste(curlLine(url, { contract: contactSync, body, signature: 'right' }, new Map()))
    expect(received[0]?.body.toString('hex')).toBe(body.toString('hex'))
  })
})
