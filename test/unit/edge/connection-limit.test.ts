import { expect, it } from 'vitest'
import { connectionLimit } from '../../../src/edge/connection-limit.js'

it('takes as many connections as wanted where the process may open enough files', () => {
  expect(connectionLimit(10_000, 10_256)).toEqual({ connections: 10_000 })
  expect(connectionLimit(10_000, Number.POSITIVE_INFINITY)).toEqual({ connections: 10_000 })
})

it.each([
  [10_255, 9_999],
  [1_024, 768],
  [256, 128],
  [2, 1],
])('leaves files for everything else where it may open %i, and says what to do', (files, connections) => {
  const limit = connectionLimit(10_000, files)
  expect(limit.connections).toBe(connections)
  expect(limit.warning).toContain(`takes ${connections} connections, not 10000 (EDGE_MAX_CONNECTIONS)`)
  expect(limit.warning).toContain(`may open only ${files} files. Raise its hard limit to 10256`)
})

it('knows the limit of its own process', () => {
  const { connections, warning } = connectionLimit(1_000_000_000)
  expect(connections).toBeLessThan(1_000_000_000)
  expect(connections).toBeGreaterThan(0)
  expect(warning).toContain('EDGE_MAX_CONNECTIONS')
})
