import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { type Placed, readQueries, readRecordings } from '../support/deploy-files.js'
import { type Labels, labelsOfSamples, readQuery } from '../support/promql.js'
import { createRig } from '../support/rig.js'

/** What a target has from the scrape itself. */
const TARGET = ['job', 'instance', 'role']
/** What Prometheus itself makes. */
const BUILT_IN = new Map([
  ['up', labelled([])],
  ['ALERTS', labelled(['alertname', 'alertstate'])],
])
const ROLES = ['edge', 'postgres', 'mongo', 'feed', 'maintenance'] as const
const QUERIES = readQueries()

type Samples = ReadonlyMap<string, Labels>

it('every metric and label that a rule, a panel or a scaler names is there in a live scrape', async () => {
  const rig = await createRig()
  const roles = await Promise.all(ROLES.map((role) => rig.start(role, { TRIM_EVERY_MS: '1000' })))
  await rig.send({ rate: 50, seconds: 4, seed: 7 })
  await rig.drain()
  const scrape = async () => {
    const texts = await Promise.all(
      roles.map(async ({ adminPort }) => (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text()),
    )
    return texts.join('\n')
  }
  // The elected maintenance takes its figures in turns of its own.
  for (const end = Date.now() + 30_000; Date.now() < end; await sleep(500)) {
    if (problems(labelsOfSamples(await scrape())).length === 0) break
  }
  expect(problems(labelsOfSamples(await scrape()))).toEqual([])
})

function problems(scraped: Samples): string[] {
  const known = new Map<string, Labels>([...scraped, ...BUILT_IN])
  for (const { record, expr } of readRecordings()) known.set(record, labelled(readQuery(expr).grouping))
  return [...new Set(QUERIES.flatMap((query) => missing(query, known)))]
}

/** Of these it is not known which values they have. */
function labelled(names: readonly string[]): Labels {
  return new Map(names.map((name) => [name, new Set<string>()]))
}

function missing({ where, expr }: Placed, known: Samples): string[] {
  const { uses, grouping, made } = readQuery(expr)
  const anywhere = new Set([
    ...TARGET,
    ...made,
    ...uses.flatMap(({ metric }) => [...(known.get(metric)?.keys() ?? [])]),
  ])
  const strange = uses.flatMap(({ metric, labels, values }) => {
    const has = known.get(metric)
    if (!has) return [`${where}: there is no ${metric}`]
    const absent = labels.filter((label) => !has.has(label) && !TARGET.includes(label))
    const others = values.filter(([label, value]) => has.get(label)?.size && !has.get(label)?.has(value))
    return [
      ...absent.map((label) => `${where}: ${metric} has no label ${label}`),
      ...others.map(([label, value]) => `${where}: no ${label} of ${metric} is ${value}`),
    ]
  })
  const ungrouped = grouping.filter((label) => !anywhere.has(label))
  return [...strange, ...ungrouped.map((label) => `${where}: no metric has the label ${label}`)]
}
