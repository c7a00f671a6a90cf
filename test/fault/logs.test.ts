import { expect, onTestFinished, test } from 'vitest'
import { CONTRACTS } from '../../schemas/index.js'
import { headersOf } from '../../src/dev/traffic/signing.js'
import { FRAGMENTS, malformedBodies } from '../support/hostile-bodies.js'
import { startOtlpReceiver } from '../support/otlp.js'
import { createRig, SENDERS } from '../support/rig.js'

/** Stands in every body, and in nothing else. */
const MARK = 'MarkOfABody'
const SECRET = 'test-secret'
const ROLES = ['edge', 'postgres', 'mongo', 'maintenance'] as const

const cdc = CONTRACTS.find(({ name }) => name === 'cdc')

/** Events of which the stores refuse some, each with a mark before and behind what is hostile. */
function bodies(): Buffer[] {
  const event = (id: number, value: Buffer) =>
    Buffer.concat([
      Buffer.from(
        `{"webhookId":"w","eventType":"contact.created","timestamp":"2026-11-01T09:30:00Z","eventData":{"id":"c-${id}","firstName":"${MARK}","x":[`,
      ),
      value,
      Buffer.from(`,"${MARK}"]}}`),
    ])
  const valid = Buffer.from(`{"webhookId":"${MARK}","eventType":"${MARK}","timestamp":"${MARK}"}`)
  return [
    ...FRAGMENTS.map(({ bytes }, i) => event(i, bytes)),
    ...malformedBodies(valid).map(({ bytes }) => bytes),
  ]
}

test('no log line, no span and no answer to an operator holds a body or a secret', async () => {
  if (!cdc) throw new Error('there is no contract cdc')
  const [rig, otlp] = await Promise.all([createRig(), startOtlpReceiver()])
  onTestFinished(() => otlp.close())
  const env = {
    ...{ LOG_LEVEL: 'trace', TRACE_SAMPLE_RATIO: '1', OTEL_EXPORTER_OTLP_ENDPOINT: otlp.url },
    OTEL_EXPORTER_OTLP_HEADERS: `api-key=${SECRET}`,
  }
  const roles = await Promise.all(ROLES.map((role) => rig.start(role, env)))
  const post = async (body: Buffer, signature: 'right' | 'wrong') => {
    const headers = headersOf({ contract: cdc, body, signature }, SENDERS)
    const answer = await fetch(`${rig.url}${cdc.path}?token=${SECRET}`, { method: 'POST', headers, body })
    await answer.arrayBuffer()
    return answer.status
  }
  const statuses: number[] = []
  for (const body of bodies()) statuses.push(await post(body, 'right'))
  statuses.push(await post(Buffer.from(`{"a":"${MARK}"}`), 'wrong'))
  expect(new Set(statuses)).toEqual(new Set([202, 400, 401]))
  await rig.postgres.stop()
  await rig.mongo.stop()
  for (const body of bodies().slice(-1)) await post(body, 'right')
  await post(
    Buffer.from(
      `{"webhookId":"w","eventType":"contact.created","timestamp":"2026-11-01T09:30:00Z","eventData":{"id":"z","firstName":"${MARK}"}}`,
    ),
    'right',
  )
  const said = await Promise.all(
    roles.flatMap(({ adminPort }) =>
      ['healthz', 'readyz', 'stats', 'status', 'metrics'].map(async (path) =>
        (await fetch(`http://127.0.0.1:${adminPort}/${path}`)).text(),
      ),
    ),
  )
  await rig.postgres.start()
  await rig.mongo.start()
  await rig.drain()
  for (const role of roles) role.kill('SIGTERM')
  await Promise.all(roles.map(({ exited }) => exited))

  const logs = ROLES.map((role) => rig.log(role)).join('')
  const spans = JSON.stringify(otlp.spans, (_, value) => (typeof value === 'bigint' ? String(value) : value))
  // The workers had something to say, or else nothing is proven.
  expect(logs).toContain('"level":40')
  expect(logs).toContain('"trace_id":"')
  expect(spans).toContain('refused_by_store')
  for (const text of [logs, spans, said.join('')]) {
    expect(text.split('\n').filter((line) => line.includes(MARK) || line.includes(SECRET))).toEqual([])
  }
  const parsed = logs.split('\n').filter(Boolean)
  expect(parsed.filter((line) => typeof JSON.parse(line) !== 'object')).toEqual([])
})
