import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createProgram } from '../../src/cli/program.js'
import { VARIABLES } from '../../src/config.js'
import { ERROR_RESPONSES } from '../../src/edge/error-response.js'
import { REASONS } from '../../src/errors.js'
import { OPERATION } from '../../src/telemetry/names.js'
import { alertsPage } from '../support/alerts-page.js'
import { readAlerts } from '../support/deploy-files.js'

const PAGE = join(import.meta.dirname, '../../docs/alerts.md')

describe('the alerts', () => {
  const alerts = readAlerts()

  it('have names of their own, a severity, and a runbook of three steps', () => {
    const names = alerts.map(({ alert }) => alert)
    expect(new Set(names).size).toBe(names.length)
    for (const { alert, labels, annotations } of alerts) {
      expect(['page', 'ticket'], alert).toContain(labels.severity)
      expect(annotations.summary, alert).toBeTruthy()
      expect(annotations.description, alert).toBeTruthy()
      expect(annotations.runbook, alert).toMatch(/^Means: \S.*\nLook: \S.*\nDo: \S.*\n$/)
    }
  })

  const texts = alerts.map(({ annotations }) => Object.values(annotations).join('\n')).join('\n')
  const named = (pattern: RegExp) => [...texts.matchAll(pattern)].map(([whole, part]) => part ?? whole)

  it('send people to commands that there are', () => {
    const { commands } = createProgram()
    const lines = new Set([
      ...commands.map((command) => command.name()),
      ...commands.flatMap((command) => command.commands.map((below) => `${command.name()} ${below.name()}`)),
    ])
    const used = named(/`tributary ([^`]+)`/g)
    expect(used.length).toBeGreaterThan(10)
    for (const line of used) {
      const [name = '', second = ''] = line.split(' ')
      expect([...lines]).toContain(lines.has(`${name} list`) ? `${name} ${second}` : name)
    }
  })

  it('name variables, and codes of refusals and dead letters, that there are', () => {
    for (const name of named(/\b[A-Z]+(?:_[A-Z]+)+\b/g)) expect(Object.keys(VARIABLES)).toContain(name)
    const codes: string[] = [
      ...Object.keys(ERROR_RESPONSES),
      ...Object.keys(REASONS),
      ...Object.values(OPERATION),
    ]
    for (const code of named(/`([a-z]+(?:_[a-z]+)*)`/g)) {
      if (!code.startsWith('redis_')) expect(codes).toContain(code)
    }
  })

  it('have a page that says the same', async () => {
    await expect(alertsPage(alerts)).toMatchFileSnapshot(PAGE)
  })
})
