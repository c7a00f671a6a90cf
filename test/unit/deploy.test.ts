import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { CONTRACTS } from '../../schemas/index.js'
import { createProgram } from '../../src/cli/program.js'
import { ROLES } from '../../src/cli/start.js'
import { readConfig, secretsVariable, VARIABLES } from '../../src/config.js'
import { cxoneOptions } from '../../src/cxone/settings.js'
import { ERROR_RESPONSES } from '../../src/edge/error-response.js'
import { REASONS } from '../../src/errors.js'

const ROOT = join(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')

interface Service {
  readonly image: string
  readonly command?: string
  readonly profiles?: readonly string[]
  readonly restart?: string
  readonly environment?: Record<string, string>
  readonly depends_on?: Record<string, { condition: string }>
  readonly healthcheck?: object
}

// No container engine runs here: what can be said of these files without one is held true.
describe('compose.yaml', () => {
  const { services } = parse(read('compose.yaml'), { merge: true }) as { services: Record<string, Service> }
  const own = Object.entries(services).filter(([, { image }]) => image === 'tributary')

  it('runs every role, migrates, and registers on demand', () => {
    const commands = own.map(([, { command }]) => command).sort()
    expect(commands).toEqual(['migrate', 'register', ...ROLES.map((role) => `start ${role}`).sort()])
    const onDemand = own.filter(([, { profiles }]) => profiles !== undefined)
    expect(onDemand).toEqual([
      ['register', expect.objectContaining({ profiles: ['register'], restart: 'no' })],
    ])
    const names = createProgram().commands.map((command) => command.name())
    for (const command of commands) expect(names).toContain(command?.split(' ')[0])
  })

  it('sets only variables that there are, to values that are right', () => {
    for (const [, { environment = {} }] of own) {
      for (const name of Object.keys(environment)) expect(Object.keys(VARIABLES)).toContain(name)
      const filled = Object.entries(environment).map(([name, value]) => [
        name,
        String(value).replace(/\$\{\w+:[-?]([^}]*)\}/g, '$1'),
      ])
      expect(readConfig(Object.fromEntries(filled))).toMatchObject({ REDIS_URL: 'redis://redis:6379' })
    }
  })

  it('gives the registration what it needs, and the secrets of every contract', () => {
    const environment = services.register?.environment ?? {}
    for (const { name } of CONTRACTS) expect(Object.keys(environment)).toContain(secretsVariable(name))
    const given = Object.fromEntries(Object.keys(environment).map((name) => [name, 'https://h.example.com']))
    expect(() => cxoneOptions(readConfig({ ...given, PARTITIONS: '' }))).not.toThrow()
    expect(environment).toHaveProperty('PUBLIC_URL')
  })

  it('waits only for services that there are, and for their health where they tell it', () => {
    for (const [, { depends_on = {} }] of own) {
      for (const [name, { condition }] of Object.entries(depends_on)) {
        expect(Object.keys(services)).toContain(name)
        if (condition === 'service_healthy') expect(services[name]?.healthcheck).toBeDefined()
      }
    }
  })
})

describe('Dockerfile', () => {
  const lines = read('Dockerfile').split('\n')

  it('copies what is there, and all that the build needs', () => {
    const copied = lines
      .filter((line) => line.startsWith('COPY ') && !line.includes('--from'))
      .flatMap((line) => line.split(' ').slice(1, -1))
    for (const path of copied) expect(existsSync(join(ROOT, path)), path).toBe(true)
    const { include } = JSON.parse(read('tsconfig.build.json')) as { include: string[] }
    for (const path of include) expect(copied).toContain(path)
  })

  it('does not run as root, and starts what package.json names', () => {
    expect(lines).toContain('USER node')
    const { bin } = JSON.parse(read('package.json')) as { bin: { tributary: string } }
    expect(lines.find((line) => line.startsWith('ENTRYPOINT'))).toContain(bin.tributary)
  })
})

describe('the documents', () => {
  it('name only variables, commands and files that there are', () => {
    const readme = read('README.md')
    for (const [, path = ''] of readme.matchAll(/\]\((?!http)([^)#]+)[^)]*\)/g))
      expect(existsSync(join(ROOT, path)), path).toBe(true)
    const names = createProgram().commands.map((command) => command.name())
    for (const name of names) expect(readme).toContain(`| \`${name}`)
    for (const [, name = ''] of readme.matchAll(/`([A-Z]+(?:_[A-Z]+)+)`/g))
      expect(Object.keys(VARIABLES)).toContain(name)
  })

  it('list every reason of a dead letter', () => {
    const document = read('docs/dead-letters.md')
    for (const [reason, meaning] of Object.entries(REASONS)) {
      expect(document).toContain(`\`${reason}\` | ${meaning.split(' and ')[0]}`)
    }
  })
  it('show every contract with its path, and every answer with its status', () => {
    const page = read('docs/contracts.md')
    for (const { name, path } of CONTRACTS) expect(page).toContain(`## \`${name}\` – \`POST ${path}\``)
    for (const [code, { status }] of Object.entries(ERROR_RESPONSES)) {
      const row = page
        .split('\n')
        .find((line) => line.startsWith(`| ${status.slice(0, 3)} |`) && line.includes(`\`${code}\``))
      expect(row, code).toBeDefined()
    }
  })
})
