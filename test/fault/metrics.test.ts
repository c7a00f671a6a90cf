import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, inject, test } from 'vitest'
import { CONTRACTS } from '../../schemas/index.js'
import { ROLES } from '../../src/cli/start.js'
import { SINKS } from '../../src/config/sinks.js'
import { ERROR_RESPONSES } from '../../src/edge/error-response.js'
import { REASONS } from '../../src/errors.js'
import { OPERATION } from '../../src/telemetry/names.js'
import { createRig } from '../support/rig.js'
import { familiesOf, type Sample, samplesOf, scrape, total } from '../support/scrape.js'
import { until } from '../support/stream.js'

/** Every value that a label may have: none of them comes from a request. */
const VALUES = new Set<string>([
  ...[...SINKS, 'edge', ...ROLES],
  ...Object.keys(REASONS),
  ...Object.keys(ERROR_RESPONSES),
  ...CONTRACTS.map(({ path }) => path),
  ...Object.values(ERROR_RESPONSES).map(({ status }) => status.slice(0, 3)),
  ...['active', 'major', 'minor', 'incremental', 'weakcb'],
  ...['202', 'success', 'failure', 'idle', 'used', 'user', 'system', 'cxone:{0}:events'],
  ...Object.values(OPERATION),
  ...['postgresql', 'mongodb', 'redis', 'COPY', 'find', 'bulkWrite', 'uws', 'node'],
])

test('every role tells its figures, as documented, and Prometheus takes them', async (context) => {
  const rig = await createRig()
  const roles = await Promise.all(
    ROLES.map((role) => rig.start(role as 'edge', { MEASURE_EVERY_MS: '200', TRIM_EVERY_MS: '300' })),
  )
  const { acknowledged } = await rig.send({ rate: 100, seconds: 3, seed: 11 })
  await rig.post('cdc', { no: 'event' })
  await rig.drain()
  const texts = () => Promise.all(roles.map(({ adminPort }) => scrape(adminPort)))
  const families = async () => new Map((await texts()).flatMap((text) => [...familiesOf(text)]))
  await until(async () => (await families()).size >= documented().size, 20_000)
  // The last reading of the log may be from before the last letter.
  await until(async () => {
    const samples = (await texts()).flatMap(samplesOf)
    const written = total(samples, 'cxone_dead_letter_messages_total')
    return total(samples, 'redis_stream_dead_letters') === written
  })

  expect(await families()).toEqual(documented())
  const samples = (await texts()).flatMap(samplesOf)
  const strange = samples.flatMap(({ name, labels }) =>
    Object.entries(labels)
      .filter(([key, value]) => key !== 'le' && !VALUES.has(value))
      .map((pair) => [name, ...pair]),
  )
  expect(strange).toEqual([])
  compareWithTraffic(samples, acknowledged.length)

  for (const { adminPort } of roles) {
    const headers = { accept: 'application/openmetrics-text;version=1.0.0', 'accept-encoding': 'gzip' }
    const answer = await fetch(`http://127.0.0.1:${adminPort}/metrics`, { headers })
    expect(answer.headers.get('content-type')).toContain('application/openmetrics-text')
    expect(answer.headers.get('content-encoding')).toBe('gzip')
    expect(await answer.text()).toMatch(/^# TYPE process_cpu_time_seconds counter$[\s\S]*\n# EOF\n$/m)
  }

  const promtool = inject('promtool')
  if (promtool === undefined) return context.skip('there is no promtool')
  for (const input of await texts()) {
    const { stdout, stderr, status } = spawnSync(promtool, ['check', 'metrics'], { input, encoding: 'utf8' })
    expect(`${stdout}${stderr}`).toBe('')
    expect(status).toBe(0)
  }
})

function compareWithTraffic(samples: readonly Sample[], accepted: number): void {
  const sent = total(samples, 'messaging_client_sent_messages_total') ?? 0
  expect(sent).toBeGreaterThanOrEqual(accepted)
  expect(total(samples, 'redis_stream_length')).toBe(sent)
  const answered = (status: string) =>
    total(samples, 'http_server_request_duration_seconds_count', { http_response_status_code: status })
  expect(answered('202')).toBe(accepted)
  const rejected = (reason: string) => total(samples, 'cxone_webhook_rejected_total', { reason }) ?? 0
  expect(answered('400')).toBe(rejected('invalid_body') + rejected('malformed_json'))
  expect(total(samples, 'cxone_dead_letter_messages_total', { sink: 'edge' })).toBe(answered('400'))
  for (const sink of ['postgres', 'mongo', 'feed']) {
    expect(
      total(samples, 'messaging_client_consumed_messages_total', { messaging_consumer_group_name: sink }),
    ).toBe(sent)
    const died = total(samples, 'cxone_sync_lag_seconds_count', { sink, status: 'failure' })
    expect(died).toBe(total(samples, 'cxone_dead_letter_messages_total', { sink }))
    expect(died).toBe(total(samples, 'redis_stream_dead_letters', { sink }) ?? 0)
    expect(total(samples, 'cxone_pipeline_event_age_seconds_count', { sink })).toBe(
      (died ?? 0) + (total(samples, 'cxone_sync_lag_seconds_count', { sink, status: 'success' }) ?? 0),
    )
    expect(total(samples, 'cxone_batch_size_sum', { sink })).toBe(sent)
  }
}

/** The table of docs/metrics.md: types by names. */
function documented(): Map<string, string> {
  const page = readFileSync(join(import.meta.dirname, '../../docs/metrics.md'), 'utf8')
  return new Map(
    [...page.matchAll(/^\| `(\w+)` \| (\w+) \|/gm)].map(([, name = '', type = '']) => [name, type]),
  )
}
