import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  circles,
  type Directions,
  importsOf,
  readSources,
  strays,
  withoutComments,
} from '../support/import-graph.js'

const ROOT = join(import.meta.dirname, '../..')
const MAX_LINES = 250

const BASE = [
  'src/abort.ts',
  'src/config.ts',
  'src/config/cxone.ts',
  'src/config/otlp.ts',
  'src/config/sinks.ts',
  'src/errors.ts',
  'src/health/',
  'src/manifest.ts',
  'src/retry.ts',
  'src/shutdown.ts',
  'src/telemetry/',
]
const LOG = ['src/stream/', 'src/state/', ...BASE]
const ROOMS = ['edge', 'pipeline', 'sinks', 'cxone', 'evolution', 'maintenance', 'ops'].map(
  (room) => `src/${room}/`,
)

/** Which folder may import from which, as docs/architecture.md has it: data and imports go one way. Nothing else imports the workers or the servers. */
const DIRECTIONS: Directions = {
  'workers/': [...ROOMS, ...LOG, 'schemas/'],
  'src/cli/': [...ROOMS, ...LOG, 'schemas/', 'src/dev/', 'src/text.ts', 'src/cli/start.ts'],
  'src/dev/': [...ROOMS, ...LOG, 'schemas/', 'src/text.ts', 'src/dev/services/'],
  'src/cli/start.ts': ['src/cli/', ...ROOMS, ...LOG, 'workers/'],
  'src/edge/': [...LOG, 'schemas/'],
  'src/pipeline/': [...LOG, 'schemas/', 'src/sinks/sink.ts'],
  // A store knows nothing of the log. The feed's store is Redis, so its sink alone may.
  'src/sinks/': ['src/state/', ...BASE, 'schemas/', 'migrations/'],
  'src/sinks/feed/': ['src/sinks/sink.ts', 'src/stream/', ...BASE],
  'src/cxone/': [...LOG, 'schemas/', 'src/text.ts'],
  'src/evolution/': LOG,
  'src/maintenance/': LOG,
  'src/ops/': LOG,
  'src/stream/': BASE,
  'src/state/': [],
  'src/telemetry/': BASE,
  'src/health/': ['src/telemetry/'],
  'src/dev/services/': ['src/errors.ts', 'src/retry.ts'],
  'src/dev/services/all.ts': ['src/dev/services/', 'src/config.ts'],
  'src/': ['schemas/', 'src/telemetry/'],
  'schemas/': ['src/state/', 'src/errors.ts'],
  'migrations/': ['schemas/', 'src/errors.ts'],
}

describe('the sources', () => {
  const sources = readSources(ROOT, ['schemas', 'migrations', 'workers', 'src'])
  const imports = [...sources].flatMap(([path, source]) => importsOf(path, source))
  const filesWith = (pattern: RegExp) =>
    [...sources].filter(([, source]) => pattern.test(withoutComments(source))).map(([path]) => path)

  it('are found, and so are their imports', () => {
    expect(sources.size).toBeGreaterThan(30)
    expect(imports.length).toBeGreaterThan(sources.size)
    const missing = imports.filter(({ to }) => !existsSync(join(ROOT, to)))
    expect(missing).toEqual([])
  })

  it('import in one direction', () => {
    expect(strays(imports, DIRECTIONS)).toEqual([])
  })

  it('import in no circle', () => {
    expect(circles(imports)).toEqual([])
  })

  it('read the environment in one place', () => {
    expect(filesWith(/\bprocess\.env\b|\benv\b[^;'"]*from 'node:process'/)).toEqual(['src/config.ts'])
  })

  it('fit on a few screens each', () => {
    const long = [...sources].filter(([, source]) => source.trimEnd().split('\n').length > MAX_LINES)
    expect(long.map(([path]) => path)).toEqual([])
  })

  it('hold no loose ends, and do not silence the linter about `any`, `!` and console', () => {
    const ends =
      /\b(TODO|FIXME|XXX|HACK)\b|@ts-(ignore|expect-error|nocheck)|biome-ignore.*(Any|NonNull|Console)/
    expect([...sources].filter(([, source]) => ends.test(source)).map(([path]) => path)).toEqual([])
  })
})

describe('the directions', () => {
  it('forbid what goes the other way, and no more', () => {
    const seen = (from: string, to: string) => strays([{ from, to }], DIRECTIONS)
    for (const [from, to] of [
      ['src/sinks/postgres/sink.ts', 'src/stream/entry.ts'],
      ['src/state/fold.ts', 'src/errors.ts'],
      ['src/pipeline/worker.ts', 'src/sinks/mongo/sink.ts'],
      ['src/cli/dev.ts', 'workers/role.ts'],
      ['src/edge/server.ts', 'src/pipeline/decode.ts'],
      ['src/errors.ts', 'src/stream/keys.ts'],
      ['schemas/cdc.ts', 'src/config.ts'],
      ['scripts/new.ts', 'src/errors.ts'],
    ] as const) {
      expect(seen(from, to)).toEqual([`${from} imports ${to}`])
    }
    for (const [from, to] of [
      ['src/pipeline/worker.ts', 'src/sinks/sink.ts'],
      ['src/cli/start.ts', 'workers/'],
      ['src/retry.ts', 'src/errors.ts'],
      ['src/sinks/mongo/sink.ts', 'src/sinks/sink.ts'],
    ] as const) {
      expect(seen(from, to)).toEqual([])
    }
  })
})
