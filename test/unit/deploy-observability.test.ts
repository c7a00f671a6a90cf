import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createProgram } from '../../src/cli/program.js'
import { ROLES } from '../../src/cli/start.js'
import { readConfig, VARIABLES } from '../../src/config.js'
import {
  DEPLOY,
  type Panel,
  parseDeploy,
  parseManifests,
  readDashboard,
  readDeploy,
  readScalers,
} from '../support/deploy-files.js'

const ROOT = join(DEPLOY, '..')

describe('the dashboard', () => {
  const { panels, uid } = readDashboard()
  const charts = panels.filter(({ type }) => type !== 'row')

  it('has a unit, a description and the chosen data source in every panel', () => {
    expect(uid).toBe('tributary')
    for (const { title, description, datasource, fieldConfig, targets = [] } of charts) {
      expect(description, title).toMatch(/\.$/)
      expect(fieldConfig?.defaults.unit, title).toBeTruthy()
      expect(targets.length, title).toBeGreaterThan(0)
      for (const source of [datasource, ...targets.map((target) => target.datasource)])
        expect(source?.uid, title).toBe(`\${datasource}`)
    }
  })

  it('has panels that do not overlap, each with a number of its own', () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    const pairs = panels.flatMap((one, i) => panels.slice(i + 1).map((other) => [one, other] as const))
    expect(
      pairs.filter(([one, other]) => overlap(one, other)).map(([one, { title }]) => `${one.title} ${title}`),
    ).toEqual([])
    for (const { title, gridPos } of panels) expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24)
  })
})

function overlap({ gridPos: a }: Panel, { gridPos: b }: Panel): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h
}

describe('the scalers', () => {
  it.each(readScalers())('of $file scale every worker, never to nothing', ({ file, objects }) => {
    const workers = ROLES.filter((role) => role !== 'edge' && role !== 'maintenance')
    expect(objects.map(({ spec }) => spec.scaleTargetRef.name).sort()).toEqual(
      workers.map((role) => `tributary-${role}`).sort(),
    )
    for (const { metadata, spec } of objects) {
      expect(spec.minReplicaCount, `${file} ${metadata.name}`).toBeGreaterThanOrEqual(1)
      for (const { metadata: trigger } of spec.triggers) {
        for (const value of Object.values(trigger)) expect(typeof value, metadata.name).toBe('string')
      }
    }
  })

  it('look at what is undelivered and at what is pending, of the group of the worker', () => {
    for (const { objects } of readScalers()) {
      for (const { metadata, spec } of objects) {
        const group = metadata.name.replace('tributary-', '')
        const all = JSON.stringify(spec.triggers)
        expect(all).toMatch(/lagCount|redis_stream_group_lag/)
        expect(all).toMatch(/pendingEntriesCount|redis_stream_group_messages_pending/)
        for (const { type, metadata: trigger } of spec.triggers) {
          if (type === 'redis-streams')
            expect(trigger).toMatchObject({ consumerGroup: group, stream: 'cxone:{0}:events' })
          else expect(trigger.query).toContain(`group="${group}"`)
        }
      }
    }
  })
})

interface Deployment {
  readonly metadata: { readonly name: string }
  readonly spec: {
    readonly template: {
      readonly spec: {
        readonly terminationGracePeriodSeconds: number
        readonly containers: readonly {
          readonly args: readonly string[]
          readonly lifecycle?: { readonly preStop: { readonly sleep: { readonly seconds: number } } }
        }[]
      }
    }
  }
}

describe('deploy/kubernetes', () => {
  it('runs every role, and gives it time to finish', () => {
    const deployments = parseManifests<Deployment>('kubernetes/tributary.yaml')
    expect(deployments.map(({ metadata }) => metadata.name).sort()).toEqual(
      ROLES.map((role) => `tributary-${role}`).sort(),
    )
    const shutdown = readConfig({}).SHUTDOWN_TIMEOUT_MS / 1_000
    for (const { metadata, spec } of deployments) {
      const { terminationGracePeriodSeconds, containers } = spec.template.spec
      expect(containers.map(({ args }) => `tributary-${args.join(' ')}`)).toEqual([
        metadata.name.replace('-', '-start '),
      ])
      const pause = containers[0]?.lifecycle?.preStop.sleep.seconds ?? 0
      if (metadata.name === 'tributary-edge') expect(pause).toBeGreaterThanOrEqual(5)
      expect(terminationGracePeriodSeconds, metadata.name).toBeGreaterThan(shutdown + pause)
    }
  })
})

interface Job {
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly spec: {
    readonly backoffLimit: number
    readonly template: {
      readonly spec: {
        readonly restartPolicy: string
        readonly containers: readonly {
          readonly image: string
          readonly args: readonly string[]
          readonly envFrom: readonly { readonly secretRef: { readonly name: string } }[]
          readonly env: readonly { readonly name: string; readonly value: string }[]
        }[]
      }
    }
  }
}

describe('the Job that registers in CXone', () => {
  const [job] = parseManifests<Job>('kubernetes/register.yaml')

  it('runs one command that there is, once, with the secrets of the roles', () => {
    expect(job).toMatchObject({ kind: 'Job', metadata: { name: 'tributary-register' } })
    const { restartPolicy, containers } = job?.spec.template.spec ?? {}
    expect(restartPolicy).toBe('Never')
    expect(containers).toHaveLength(1)
    expect(containers?.[0]).toMatchObject({
      image: 'tributary',
      envFrom: [{ secretRef: { name: 'tributary' } }],
    })
    const names = createProgram().commands.map((command) => command.name())
    expect(names).toContain(containers?.[0]?.args.join(' '))
  })

  it('sets only variables that there are, to values that are right', () => {
    const env = job?.spec.template.spec.containers[0]?.env ?? []
    const config = readConfig(Object.fromEntries(env.map(({ name, value }) => [name, value])))
    for (const { name } of env) expect(config[name]).toBeDefined()
    expect(env.map(({ name }) => name)).toEqual(['PUBLIC_URL', 'CXONE_API_URL', 'CXONE_TOKEN_URL'])
  })
})

interface Compose {
  readonly services: Record<
    string,
    {
      readonly image?: string
      readonly environment?: Record<string, string>
      readonly volumes?: readonly string[]
    }
  >
  readonly volumes: Record<string, unknown>
}

describe('deploy/compose.observability.yaml', () => {
  const { services, volumes } = parseDeploy<Compose>('compose.observability.yaml')
  const base = parseDeploy<Compose>('../compose.yaml')

  it('pins its images, and mounts what is there', () => {
    for (const [name, { image = '', volumes: mounts = [] }] of Object.entries(services)) {
      if (!(name in base.services)) expect(image, name).toMatch(/:v?\d+\.\d+\.\d+$/)
      for (const mount of mounts) {
        const [from = ''] = mount.split(':')
        if (from.startsWith('.')) expect(existsSync(join(ROOT, from)), mount).toBe(true)
        else expect(Object.keys(volumes)).toContain(from)
      }
    }
  })

  it('sends the telemetry of every role to the collector, by variables that there are', () => {
    const own = Object.entries(base.services).filter(
      ([name, { image }]) => image === 'tributary' && !['migrate', 'register'].includes(name),
    )
    for (const [name] of own) {
      const environment = services[name]?.environment ?? {}
      expect(environment.OTEL_EXPORTER_OTLP_ENDPOINT, name).toBe('http://otel-collector:4318')
      for (const variable of Object.keys(environment)) expect(Object.keys(VARIABLES)).toContain(variable)
    }
  })

  it('is scraped by the names of compose.yaml', () => {
    interface Scrapes {
      scrape_configs: { job_name: string; dns_sd_configs?: { names: string[] }[] }[]
    }
    const { scrape_configs } = parseDeploy<Scrapes>('prometheus/prometheus.yaml')
    const [tributary] = scrape_configs
    expect(tributary?.job_name).toBe('tributary')
    const names = tributary?.dns_sd_configs?.[0]?.names ?? []
    expect(names.map((name) => name.replace(/-worker$/, '')).sort()).toEqual([...ROLES].sort())
    for (const name of names) expect(Object.keys(base.services)).toContain(name)
  })
})

describe('the collector', () => {
  interface Collector {
    receivers: object
    processors: object
    exporters: object
    extensions: object
    service: {
      extensions: string[]
      pipelines: Record<string, { receivers: string[]; processors: string[]; exporters: string[] }>
    }
  }
  const files = readdirSync(DEPLOY).filter((file) => file.startsWith('otel-collector'))

  it.each(files)('%s uses only parts that it defines, bounds its memory first, and batches last', (file) => {
    const { service, ...parts } = parseDeploy<Collector>(file)
    for (const name of service.extensions) expect(Object.keys(parts.extensions)).toContain(name)
    for (const pipeline of Object.values(service.pipelines)) {
      for (const kind of ['receivers', 'processors', 'exporters'] as const) {
        for (const name of pipeline[kind]) expect(Object.keys(parts[kind])).toContain(name)
      }
      expect(pipeline.processors[0]).toBe('memory_limiter')
      expect(pipeline.processors.at(-1)).toBe('batch')
    }
  })

  it('is configured by variables that exist', () => {
    for (const file of [...files, 'README.md']) {
      const names = readDeploy(file).match(/\b(?:OTEL|TRACE)_[A-Z_]+/g) ?? []
      for (const name of names.filter((one) => !one.includes('TEMPORALITY')))
        expect(Object.keys(VARIABLES), `${file}: ${name}`).toContain(name)
    }
  })
})
