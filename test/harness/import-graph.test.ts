import { describe, expect, it } from 'vitest'
import { circles, importsOf } from '../support/import-graph.js'

describe('the import graph', () => {
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
    expect(importsOf('src/ops/x.ts', code).map(({ to }) => to)).toEqual([
      'src/state/a.ts',
      'src/stream/b.ts',
      'src/ops/side.ts',
      'src/errors.ts',
      'workers/',
      'src/edge/lines.ts',
    ])
  })

  it('finds circles', () => {
    const edge = (from: string, to: string) => ({ from, to })
    const tail = [edge('start', 'a'), edge('a', 'b'), edge('b', 'c'), edge('b', 'd'), edge('d', 'e')]
    expect(circles([...tail, edge('c', 'e')])).toEqual([])
    expect(circles([...tail, edge('c', 'a')])).toEqual([['a', 'b', 'c']])
    const types = importsOf('src/a.ts', "import type { B } from './b.js'")
    expect(circles([...types, ...importsOf('src/b.ts', "import { a } from './a.js'")])).toEqual([
      ['src/a.ts', 'src/b.ts'],
    ])
    expect(circles([edge('self', 'self')])).toEqual([['self']])
  })
})
