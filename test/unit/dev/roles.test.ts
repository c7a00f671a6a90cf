import { describe, expect, it } from 'vitest'
import { rolesOf } from '../../../src/dev/run.js'

describe('the roles of `tributary dev`', () => {
  const edges = (cores: number, sharesPort: boolean) =>
    rolesOf(cores, sharesPort).filter((role) => role === 'edge').length

  it('have a second edge where there are more than two cores, and the port can be shared', () => {
    expect([edges(1, true), edges(2, true), edges(3, true), edges(8, true)]).toEqual([1, 1, 2, 2])
    expect(edges(8, false)).toBe(1)
  })
})
