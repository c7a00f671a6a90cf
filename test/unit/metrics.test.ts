import { metrics as api } from '@opentelemetry/api'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { AggregationTemporality, MeterProvider } from '@opentelemetry/sdk-metrics'
import { expect, onTestFinished, test, vi } from 'vitest'
import { targetOf } from '../../src/config/otlp.js'
import { createMetricExporter } from '../../src/telemetry/exporters.js'
import { Histogram } from '../../src/telemetry/histogram.js'
import { type LogFigures, observeLog } from '../../src/telemetry/log-metrics.js'
import { Losses } from '../../src/telemetry/losses.js'
import { createMetrics, type Push } from '../../src/telemetry/metrics.js'
import { METRIC } from '../../src/telemetry/names.js'
import { OwnProducer } from '../../src/telemetry/producer.js'
import { inFormatOf } from '../../src/telemetry/prometheus.js'
import { recordedLog } from '../support/log.js'
import { startOtlpReceiver } from '../support/otlp.js'
import { familiesOf, samplesOf, total } from '../support/scrape.js'

const OPTIONS = { name: 'some.lag', description: 'Lag', unit: 's', bounds: [0.1, 1] }

/** Metrics with the SDK's provider; the test ends it, or its end does. */
function start(push?: Push) {
  const metrics = createMetrics(push)
  const provider = new MeterProvider({ resource: resourceFromAttributes({}), readers: metrics.readers })
  api.setGlobalMeterProvider(provider)
  onTestFinished(() => api.disable())
  return { ...metrics, close: () => provider.shutdown() }
}

test('a histogram has every value in one bucket, its bound included, and tells them cumulated', async () => {
  const metrics = start()
  const series = metrics.histogram(OPTIONS).with({ sink: 'postgres' })
  for (const value of [0, 0.1, 0.5, 1, 7]) series.record(value)
  expect(await metrics.text()).toBe(
    [
      '# HELP some_lag_seconds Lag',
      '# TYPE some_lag_seconds histogram',
      'some_lag_seconds_count{sink="postgres"} 5',
      'some_lag_seconds_sum{sink="postgres"} 8.6',
      'some_lag_seconds_bucket{sink="postgres",le="0.1"} 2',
      'some_lag_seconds_bucket{sink="postgres",le="1"} 4',
      'some_lag_seconds_bucket{sink="postgres",le="+Inf"} 5',
      '',
    ].join('\n'),
  )
  await metrics.close()
})

test('a reader of differences gets what has come since, another one all of it', async () => {
  const histogram = new Histogram(OPTIONS)
  const [all, since] = [AggregationTemporality.CUMULATIVE, AggregationTemporality.DELTA].map(
    (temporality) => new OwnProducer(new Map([['some.lag', histogram]]), new Map(), temporality),
  )
  const series = histogram.with({})
  const read = async (producer: OwnProducer | undefined) => {
    const { resourceMetrics } = (await producer?.collect()) ?? {}
    const [point] = resourceMetrics?.scopeMetrics[0]?.metrics[0]?.dataPoints ?? []
    return point?.value
  }
  series.record(0.5)
  expect(await read(all)).toMatchObject({ count: 1, sum: 0.5 })
  expect(await read(since)).toMatchObject({ count: 1, sum: 0.5, buckets: { counts: [0, 1, 0] } })
  series.record(3)
  expect(await read(since)).toMatchObject({ count: 1, sum: 3, buckets: { counts: [0, 0, 1] } })
  expect(await read(since)).toMatchObject({ count: 0, sum: 0, buckets: { counts: [0, 0, 0] } })
  expect(await read(all)).toMatchObject({ count: 2, sum: 3.5, buckets: { counts: [0, 1, 1] } })
})

test('names have their units, and roles of one process share their instruments', async () => {
  const metrics = start()
  for (const sink of ['postgres', 'mongo']) {
    metrics.counter({ name: 'some.things', description: 'Things' })(2, { sink })
    metrics.histogram(OPTIONS).with({ sink })
    metrics.observeGauge({ name: 'some.memory', description: 'M', unit: 'By' }, () => [[1, { sink }]])
  }
  metrics.observeGauge({ name: 'some.used', description: 'U', unit: '1' }, () => [[0.5]])
  metrics.observeGauge({ name: 'no.more', description: 'Nothing now', unit: '1' }, () => [])
  metrics.observeGauge({ name: 'hung', description: 'Never' }, () => Promise.reject(new Error('away')))
  const text = await metrics.text()
  expect(Object.fromEntries(familiesOf(text))).toEqual({
    some_things_total: 'counter',
    some_lag_seconds: 'histogram',
    some_memory_bytes: 'gauge',
    some_used_ratio: 'gauge',
  })
  expect(total(samplesOf(text), 'some_things_total')).toBe(4)
  expect(total(samplesOf(text), 'some_memory_bytes', { sink: 'mongo' })).toBe(1)
  await metrics.close()
})

test('a gauge that is no longer observed is absent, and so is a label of it', async () => {
  const metrics = start()
  let groups: string[] = ['postgres', 'mongo']
  const read = () => groups.map((group) => [1, { group }] as const)
  metrics.observeGauge({ name: 'group.lag', description: 'Lag' }, read)
  const told = async () => samplesOf(await metrics.text()).map(({ labels }) => labels.group)
  expect(await told()).toEqual(['postgres', 'mongo'])
  groups = ['mongo']
  expect(await told()).toEqual(['mongo'])
  groups = []
  expect(await told()).toEqual([])
  groups = ['postgres']
  expect(await told()).toEqual(['postgres'])
  await metrics.close()
})

test('the figures of the log go with the lead, and those of a group with the group', async () => {
  const metrics = start()
  const reading = {
    undelivered: 7,
    lagKnown: true,
    pending: 1,
    oldestUndeliveredMs: 2_000,
    oldestPendingMs: 0,
  }
  const figures = (...groups: string[]): LogFigures => ({
    lengths: new Map([['cxone:{0}:events', 9]]),
    bytes: 100,
    groups: new Map(groups.map((group) => [group, reading])),
    deadLetters: new Map(),
    memory: undefined,
    stalled: undefined,
  })
  let now: LogFigures | undefined = figures('postgres', 'mongo')
  observeLog(metrics, () => now)
  const lag = async () => total(samplesOf(await metrics.text()), 'redis_stream_group_lag')
  expect(await lag()).toBe(14)
  now = figures('mongo')
  expect(await lag()).toBe(7)
  // Another replica leads now, or Redis does not answer.
  now = undefined
  expect(await metrics.text()).not.toContain('redis_stream')
  await metrics.close()
})

test.each(['cumulative', 'delta'])(
  'are pushed by OTLP, %s, at the latest when the process ends',
  async (preference) => {
    vi.stubEnv('OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE', preference)
    onTestFinished(() => void vi.unstubAllEnvs())
    const receiver = await startOtlpReceiver()
    onTestFinished(() => receiver.close())
    const target = targetOf({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url }, 'METRICS')
    if (!target) throw new Error('there is an endpoint')
    const exporter = createMetricExporter(target, new Losses(recordedLog().log))
    const metrics = start({ exporter, everyMs: 60_000, timeoutMs: 30_000 })
    metrics.histogram(OPTIONS).with({ sink: 'postgres' }).record(1)
    metrics.counter({ name: 'some.things', description: 'Things' })(1)
    metrics.observeGauge({ name: 'some.state', description: 'State' }, () => [[1]])
    await metrics.close()
    expect([...receiver.metricNames].sort()).toEqual(['some.lag', 'some.state', 'some.things'])
  },
)

test('a scraper that asks for OpenMetrics gets it', () => {
  const text =
    '# HELP a_total A\n# TYPE a_total counter\na_total 1\n# TYPE b gauge\nb{x="# TYPE c_total "} 2\n'
  expect(inFormatOf(undefined, text)).toEqual({ type: expect.stringContaining('0.0.4'), body: text })
  const accept = 'application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3'
  expect(inFormatOf(accept, text)).toEqual({
    type: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
    body: '# HELP a A\n# TYPE a counter\na_total 1\n# TYPE b gauge\nb{x="# TYPE c_total "} 2\n# EOF\n',
  })
})

test('no two metrics have one name', () => {
  expect(new Set(Object.values(METRIC)).size).toBe(Object.keys(METRIC).length)
})
