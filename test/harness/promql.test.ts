import { describe, expect, it } from 'vitest'
import { labelsOfSamples, readQuery } from '../support/promql.js'

describe('reading PromQL', () => {
  it('finds metrics and the labels they are chosen by, and no functions, ranges or comments', () => {
    const query = readQuery(`
      # not_a_metric
      histogram_quantile(0.99, sum by (le, sink) (rate(age_seconds_bucket{sink=~"$sink|a}b", x!='y', z="w"}[$__rate_interval])))
        / (sum(total) or vector(0)) > 14.4 * 0.001 and on (group) level:ratio:rate5m offset 5m`)
    expect(query.uses).toEqual([
      { metric: 'age_seconds_bucket', labels: ['sink', 'x', 'z'], values: [['z', 'w']] },
      { metric: 'total', labels: [], values: [] },
      { metric: 'level:ratio:rate5m', labels: [], values: [] },
    ])
    expect(query.grouping).toEqual(['le', 'sink', 'group'])
  })

  it('finds grouping behind an aggregation, joins, and labels that are made', () => {
    const query = readQuery('sum(a) by (b) * on (c) group_left (d) label_replace(e, "f", "$1", "g", "(.*)")')
    expect(query.uses.map(({ metric }) => metric)).toEqual(['a', 'e'])
    expect(query.grouping).toEqual(['b', 'c', 'd'])
    expect(query.made).toEqual(['f', 'g'])
  })

  it('reads the text format', () => {
    const samples = labelsOfSamples(
      '# HELP a b\n# TYPE a counter\na_total{x="1",y="{}"} 3\na_total 4\nb 0.5 1763780760125\n',
    )
    expect([...samples]).toEqual([
      [
        'a_total',
        new Map([
          ['x', new Set(['1'])],
          ['y', new Set(['{}'])],
        ]),
      ],
      ['b', new Map()],
    ])
  })
})
