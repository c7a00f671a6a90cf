import { createHmac } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it, vi } from 'vitest'
import { dataAction } from '../../schemas/data-action.js'
import { CONTRACTS } from '../../schemas/index.js'
import { validated } from '../../schemas/validated.js'
import { accessOf, type Environment, readConfig, secretsVariable } from '../../src/config.js'
import { METHODS } from '../support/authentication.js'
import { runCommandLine } from '../support/command-line.js'
import { type Answer, openEdge, RawConnection, send, type TestEdge } from '../support/edge.js'

const EVENT = Buffer.from('{"id":"e-1","type":"t","name":"Zoë 🎈"}')
const SECRETS = Object.fromEntries(
  CONTRACTS.map(({ name }) => [secretsVariable(name), 'whsec_bmV3LWtleQ==, old']),
)

/** What an operator sets for each method. */
const SETTINGS: Readonly<Record<keyof typeof METHODS, Environment>> = {
  hmac: {},
  'hmac in hex with a prefix': {
    DATA_ACTION_AUTH: 'hmac',
    DATA_ACTION_AUTH_HEADER: 'X-Hub-Signature-256',
    DATA_ACTION_AUTH_ENCODING: 'hex',
    DATA_ACTION_AUTH_PREFIX: 'sha256=',
  },
  'hmac-timestamp': { DATA_ACTION_AUTH: 'hmac-timestamp' },
  'hmac-timestamp renamed': {
    DATA_ACTION_AUTH: 'hmac-timestamp',
    DATA_ACTION_AUTH_HEADER: 'X-Sig',
    DATA_ACTION_AUTH_TIMESTAMP_HEADER: 'X-Time',
    DATA_ACTION_AUTH_ENCODING: 'base64',
    DATA_ACTION_AUTH_PREFIX: 'none',
  },
  'standard-webhooks': { DATA_ACTION_AUTH: 'standard-webhooks' },
  secret: { DATA_ACTION_AUTH: 'secret' },
  bearer: { DATA_ACTION_AUTH: 'bearer' },
}

/** An edge as these variables configure it. */
function configured(env: Environment): Promise<TestEdge> {
  const access = accessOf(readConfig({ ...SECRETS, ...env }), CONTRACTS)
  const contracts = [...access].map(([contract, access]) => ({ contract, access }))
  return openEdge(inject('services').redisUrl, { contracts })
}

const answerOf = ({ status, text }: Answer) => [status, JSON.parse(text)]
const now = () => Math.floor(Date.now() / 1_000)

describe.each(Object.entries(METHODS))('an edge that is configured for %s', (name, { sign }) => {
  let test: TestEdge
  beforeAll(async () => {
    test = await configured(SETTINGS[name] ?? {})
  })
  afterAll(() => test.end())
  afterEach(() => {
    vi.unstubAllEnvs()
  })
  const post = (headers: Record<string, string>) => send(test.edge.port, dataAction.path, EVENT, { headers })

  it('takes what either secret proves, and says what is missing or wrong', async () => {
    for (const secret of ['whsec_bmV3LWtleQ==', 'old']) {
      expect((await post(sign(secret, EVENT, now()))).status).toBe(202)
    }
    expect(answerOf(await post(sign('other', EVENT, now())))).toEqual([
      401,
      { error: 'invalid_signature', message: 'Invalid webhook signature' },
    ])
    const [header] = Object.keys(sign('old', EVENT, now())).filter((one) =>
      /sig|secret|authorization/i.test(one),
    )
    expect(answerOf(await post({}))).toEqual([
      401,
      { error: 'missing_signature', message: `Missing ${header} header` },
    ])
  })

  it('refuses a header that is there twice, even if both are right', async () => {
    for (const [header, value] of Object.entries(sign('old', EVENT, now()))) {
      const headers = Object.entries(sign('old', EVENT, now())).map(([one, its]) => `${one}: ${its}\r\n`)
      const connection = new RawConnection(test.edge.port)
      connection.socket.write(
        `POST ${dataAction.path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${EVENT.length}\r\n${header.toUpperCase()}: ${value}\r\n${headers.join('')}\r\n`,
      )
      connection.socket.write(EVENT)
      await vi.waitFor(() => expect(connection.received).toContain('}'))
      expect(connection.received).toContain('401 Unauthorized')
      expect(connection.received).toContain(
        `{"error":"invalid_signature","message":"More than one ${header} header; send one"}`,
      )
      connection.socket.destroy()
    }
  })

  it('takes the samples of `tributary send`, and their curl lines say how long they are good', async () => {
    const env = { ...SECRETS, ...SETTINGS[name] }
    for (const [variable, value] of Object.entries(env)) vi.stubEnv(variable, value)
    const url = `http://127.0.0.1:${test.edge.port}`
    const args = ['send', '--url', url, '--contract', 'data-action', '--count', '60', '--rate', '500']
    const { exitCode, out, err } = await runCommandLine([...args, '--invalid', '0.5'])
    expect([err, exitCode]).toEqual(['', 0])
    for (const label of ['202 accepted', '401 invalid_signature', '401 missing_signature']) {
      expect(out).toMatch(new RegExp(`^data-action +${label} +\\d+$`, 'm'))
    }
    const printed = (await runCommandLine([...args, '--print'])).out
    expect(printed.includes(', if sent within 300 s\n')).toBe(/timestamp|standard/.test(name))
  })
})

describe('an edge', () => {
  it('notes as delivery id what Standard Webhooks signs, however long that is', async () => {
    const test = await configured({ DATA_ACTION_AUTH: 'standard-webhooks', DATA_ACTION_SECRETS: 's' })
    const [id, seconds] = ['x'.repeat(300), now()]
    const digest = createHmac('sha256', 's').update(`${id}.${seconds}.`).update(EVENT).digest('base64')
    const headers = {
      'webhook-id': id,
      'webhook-timestamp': String(seconds),
      'webhook-signature': `v1,${digest}`,
    }
    expect((await send(test.edge.port, dataAction.path, EVENT, { headers })).status).toBe(202)
    expect((await test.entries()).map(({ delivery }) => delivery)).toEqual(['x'.repeat(200)])
    await test.end()
  })

  it('takes any of several schemes, and tells missing from wrong only where the contract does', async () => {
    const test = await configured({ VALIDATED_AUTH: 'hmac,secret,bearer', VALIDATED_SECRETS: 's' })
    const post = (headers: Record<string, string>) => send(test.edge.port, validated.path, '{}', { headers })
    for (const headers of [{ 'x-cxone-webhook-secret': 's' }, { authorization: 'bearer s' }]) {
      expect((await post(headers)).status).toBe(202)
    }
    const refused = [401, { error: 'invalid_signature', message: 'Invalid webhook signature' }]
    for (const headers of [
      {},
      { 'x-cxone-webhook-secret': 't' },
      { authorization: 'Basic czpz' },
      { 'x-cxone-signature': 's' },
    ]) {
      expect(answerOf(await post(headers))).toEqual(refused)
    }
    await test.end()
  })
})
