import { resourceFromAttributes } from '@opentelemetry/resources'
import { AggregationTemporality } from '@opentelemetry/sdk-metrics'
import { expect, onTestFinished, test, vi } from 'vitest'
import { Histogram, HistogramProducer } from '../../src/telemetry/histogram.js'
import { createMetrics } from '../../src/telemetry/metrics.js'
import { METRIC } from '../../src/telemetry/names.js'
import { startOtlpReceiver } from '../support/otlp.js'
import { familiesOf, samplesOf, total } from '../support/scrape.js'

const OPTIONS = { name: 'some.lag', description: 'Lag', unit: 's', bounds: [0.1, 1] }

test('a histogram has every value in one bucket, its bound included, and tells them cumulated', async () => {
  const metrics = createMetrics(resourceFromAttributes({}))
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
    (temporality) => new HistogramProducer([histogram], temporality),
  )
  const series = histogram.with({})
  const read = async (producer: HistogramProducer | undefined) => {
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
  const metrics = createMetrics(resourceFromAttributes({}))
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

test.each(['cumulative', 'delta'])(
  'are pushed by OTLP, %s, at the latest when the process ends',
  async (preference) => {
    vi.stubEnv('OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE', preference)
    onTestFinished(() => void vi.unstubAllEnvs())
    const receiver = await startOtlpReceiver()
    onTestFinished(() => receiver.close())
    const metrics = createMetrics(resourceFromAttributes({}), {
      url: `${receiver.url}/v1/metrics`,
      everyMs: 60_000,
      onLost: () => undefined,
    })
    metrics.histogram(OPTIONS).with({ sink: 'postgres' }).record(1)
    metrics.counter({ name: 'some.things', description: 'Things' })(1)
    await metrics.close()
    expect([...receiver.metricNames].sort()).toEqual(['some.lag', 'some.things'])
  },
)

test('no two metrics have one name', () => {
  expect(new Set(Object.values(METRIC)).size).toBe(Object.keys(METRIC).length)
})
