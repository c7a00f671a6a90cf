import { expect, test } from 'vitest'
import { caseOf, inTurn, median, type Run } from '../../bench/support/figures.js'
import { isValid, toMarkdown } from '../../bench/support/report.js'

const run = (rate: number, invalid?: string): Run => ({ figures: { rate, other: rate / 2 }, invalid })

test('subjects take turns, and a ratio is the median of what each round came to', async () => {
  const order: string[] = []
  const subject = (name: string, ...rates: number[]) => ({
    name,
    run: async () => {
      order.push(name)
      return run(rates.shift() ?? 0)
    },
  })
  const said: string[] = []
  const subjects = [subject('ours', 10, 40, 30), subject('theirs', 5, 10, 30)]
  const found = await inTurn('title', 'rate', subjects, 3, (line) => said.push(line))
  expect(order).toEqual(['ours', 'theirs', 'ours', 'theirs', 'ours', 'theirs'])
  expect(said[0]).toBe('  title · ours: 10 rate')
  expect(found.measured.map(({ figures, ratio }) => [figures.rate, ratio])).toEqual([
    [30, 1],
    [10, 2],
  ])
})

test('a run whose ledger does not balance counts for nothing, and makes the report invalid', () => {
  const runs = new Map([
    ['ours', [run(10), run(1_000_000, 'one event is missing')]],
    ['theirs', [run(5), run(5)]],
  ])
  const found = caseOf('title', 'rate', runs)
  expect(found.measured[0]).toMatchObject({
    figures: { rate: 10 },
    runs: 1,
    invalid: ['one event is missing'],
  })
  expect(found.measured[1]?.ratio).toBe(2)
  const report = { machine: { node: 'v20' }, suites: [{ name: 'suite', about: 'About.', cases: [found] }] }
  expect(isValid(report)).toBe(false)
  expect(toMarkdown(report)).toContain('- INVALID, ours: one event is missing')
  expect(toMarkdown(report)).toContain('| theirs | 5 | 2.5 | 2.00 x |')
  const fine = caseOf('title', 'rate', new Map([['ours', [run(10)]]]))
  expect(isValid({ ...report, suites: [{ name: 'suite', about: '', cases: [fine] }] })).toBe(true)
})

test('variants are told by the first of them', () => {
  const runs = new Map([
    ['off', [run(10), run(20)]],
    ['on', [run(9), run(15)]],
  ])
  const found = caseOf('title', 'rate', runs, 'variants')
  expect(found.measured.map(({ ratio }) => ratio)).toEqual([1, 0.75])
  const report = { machine: {}, suites: [{ name: 'suite', about: '', cases: [found] }] }
  expect(toMarkdown(report)).toContain('| on | 9 | 4.5 | 0.75 x |')
  expect(toMarkdown(report)).toContain('| of the first |')
})

test('of an even number of values the lower one of the middle counts', () => {
  expect([median([3, 1, 2]), median([4, 1, 3, 2]), median([])]).toEqual([2, 2, undefined])
})
