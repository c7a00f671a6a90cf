import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, inject, it, onTestFinished } from 'vitest'
import { stringify } from 'yaml'
import { DEPLOY, parseDeploy, readAlerts, readQueries } from '../support/deploy-files.js'

const PROMETHEUS = join(DEPLOY, 'prometheus')
const TESTS = readdirSync(join(PROMETHEUS, 'tests')).map((file) => `tests/${file}`)
const tool = inject('promtool')

/** @throws Error with all that promtool says, where it does not like it */
async function promtool(...args: string[]): Promise<void> {
  await promisify(execFile)(tool ?? '', args, { cwd: PROMETHEUS, timeout: 120_000 }).catch((error) => {
    throw new Error(`promtool ${args.join(' ')}:\n${error.stdout}${error.stderr}`)
  })
}

describe.skipIf(tool === undefined)('promtool', () => {
  it('takes the rules, and the configuration that names them', async () => {
    await promtool('check', 'config', 'prometheus.yaml')
    await promtool('check', 'rules', '--lint-fatal', 'recording.rules.yaml', 'alerting.rules.yaml')
  })

  it.each(TESTS)('finds that the alerts fire when they should, and only then: %s', async (file) => {
    await promtool('test', 'rules', file)
  })

  it('can read every query of the dashboard and of the scalers', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tributary-queries-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const rules = readQueries().map(({ expr }, i) => ({
      record: `query:${i}`,
      expr: expr.replaceAll('$__rate_interval', '5m'),
    }))
    writeFileSync(join(folder, 'queries.yaml'), stringify({ groups: [{ name: 'queries', rules }] }))
    await promtool('check', 'rules', join(folder, 'queries.yaml'))
  })
})

interface RuleTests {
  readonly tests: readonly {
    readonly promql_expr_test: readonly { readonly expr: string; readonly exp_samples: readonly object[] }[]
  }[]
}

it('every alert is tested both ways: firing, and not', () => {
  const checks = TESTS.flatMap((file) => parseDeploy<RuleTests>(`prometheus/${file}`).tests).flatMap(
    (test) => test.promql_expr_test,
  )
  for (const { alert } of readAlerts()) {
    const own = checks.filter(({ expr }) => expr.includes(`alertname="${alert}"`))
    expect(own.filter(({ exp_samples }) => exp_samples.length > 0).length, `${alert} fires`).toBeGreaterThan(
      0,
    )
    expect(
      own.filter(({ exp_samples }) => exp_samples.length === 0).length,
      `${alert} does not`,
    ).toBeGreaterThan(0)
  }
})
