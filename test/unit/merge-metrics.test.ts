import { expect, test } from 'vitest'
import { mergeMetrics } from '../../src/telemetry/merge-metrics.js'

const text = (count: number) => `# HELP requests_total Requests {of all kinds}
# TYPE requests_total counter
requests_total{route="/a{b}"} ${count}
requests_total 1
# HELP up Whether
# TYPE up gauge
up 1
`

test('texts of several processes become one, in which each sample says whose it is', () => {
  expect(
    mergeMetrics(
      'process',
      new Map([
        ['0', ''],
        ['1', text(3)],
        ['2', text(4)],
      ]),
    ),
  ).toBe(`# HELP requests_total Requests {of all kinds}
# TYPE requests_total counter
requests_total{process="1",route="/a{b}"} 3
requests_total{process="1"} 1
requests_total{process="2",route="/a{b}"} 4
requests_total{process="2"} 1
# HELP up Whether
# TYPE up gauge
up{process="1"} 1
up{process="2"} 1
`)
})
