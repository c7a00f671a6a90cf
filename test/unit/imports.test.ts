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
const MAX_LINES = 260

const BASE = [
  'src/abort.ts',
  'src/config.ts',
  'src/config/sinks.ts',
  'src/errors.ts',
  'src/manifest.ts',
  'src/retry.ts',
  'src/shutdown.ts',
  'src/telemetry/',
]
const LOG = ['src/stream/', 'src/state/', ...BASE]
const ROOMS = ['edge', 'pipeline', 'sinks', 'cxone', 'evolution', 'maintenance', 'ops'].map(
  (room) => `src/${room}/`,
)

/** The house's directions (DESIGN): who may import from where. Nothing else imports the workers or the servers. */
const DIRECTIONS: Directions = {
  'workers/': [...ROOMS, ...LOG, 'schemas/'],
  'src/cli/': [...ROOMS, ...LOG, 'schemas/', 'src/embedded/', 'src/cli/start.ts'],
  'src/cli/start.ts': ['src/cli/', ...ROOMS, ...LOG, 'workers/'],
  'src/edge/': [...LOG, 'schemas/'],
  'src/pipeline/': [...LOG, 'schemas/', 'src/sinks/sink.ts'],
  // A store knows nothing of the log. The feed's store is Redis, so its sink alone may.
  'src/sinks/': ['src/state/', ...BASE, 'schemas/', 'migrations/'],
  'src/sinks/feed/': ['src/sinks/sink.ts', 'src/stream/', ...BASE],
  'src/cxone/': [...LOG, 'schemas/'],
  'src/evolution/': LOG,
  'src/maintenance/': LOG,
  'src/ops/': LOG,
  'src/stream/': BASE,
  'src/state/': [],
  'src/telemetry/': BASE,
  'src/embedded/': ['src/errors.ts', 'src/retry.ts'],
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
    const long = [...sources].filter(([, source]) => source.split('\n').length > MAX_LINES)
    expect(long.map(([path]) => path)).toEqual([])
  })

  it('hold no loose ends, and do not silence the linter about `any`, `!` and console', () => {
    const ends =
      /\b(TODO|FIXME|XXX|HACK)\b|@ts-(ignore|expect-error|nocheck)|biome-ignore.*(Any|NonNull|Console)/
    expect([...sources].filter(([, source]) => ends.test(source)).map(([path]) => path)).toEqual([])
  })
})

describe('the check itself', () => {
  const code = `
import fs from 'node:fs'
import type { A } from '../state/a.js'
import { type B, b } from '../stream/b.js'
import './side.js'
// import { no } from '../never.js'
/* import { no } from '../never.js' */
export * from '../errors.js'
export const load = (name: string) => import(\`../../workers/\${name}.js\`)
import {
  several,
  lines,
} from '../edge/lines.js'
`

  it('reads every form of import', () => {
    expect(importsOf('src/ops/x.ts', code).map(({ to, typeOnly }) => [to, typeOnly])).toEqual([
      ['src/state/a.ts', true],
      ['src/stream/b.ts', false],
      ['src/ops/side.ts', false],
      ['src/errors.ts', false],
      ['workers/', false],
      ['src/edge/lines.ts', false],
    ])
  })

  it('tells strays from what is allowed', () => {
    const seen = (from: string, to: string) => strays([{ from, to, typeOnly: true }], DIRECTIONS)
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

  it('finds circles, but for those of types alone', () => {
    const edge = (from: string, to: string, typeOnly = false) => ({ from, to, typeOnly })
    const tail = [edge('start', 'a'), edge('a', 'b'), edge('b', 'c'), edge('b', 'd'), edge('d', 'e')]
    expect(circles([...tail, edge('c', 'e')])).toEqual([])
    expect(circles([...tail, edge('c', 'a')])).toEqual([['a', 'b', 'c']])
    expect(circles([...tail, edge('c', 'a', true)])).toEqual([])
    expect(circles([edge('self', 'self')])).toEqual([['self']])
  })
})
