import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RejectedError } from '../../../src/errors.js'
import { bisect } from '../../../src/sinks/bisect.js'

describe('bisect', () => {
  it('writes everything but the refused, once and in order, in few attempts', async () => {
    const property = fc.asyncProperty(fc.nat(300), fc.array(fc.nat(299)), async (size, guilty) => {
      const items = Array.from({ length: size }, (_, index) => index)
      const bad = new Set(guilty.filter((item) => item < size))
      const written: number[] = []
      let attempts = 0
      const refused = await bisect(items, async (part) => {
        attempts++
        const found = part.find((item) => bad.has(item))
        if (found !== undefined) throw new RejectedError('refused_by_store', `no ${found}`)
        written.push(...part)
      })
      expect(written).toEqual(items.filter((item) => !bad.has(item)))
      expect([...refused.keys()].sort()).toEqual([...bad].sort())
      for (const [item, error] of refused) expect(error.message).toBe(`no ${item}`)
      expect(attempts).toBeLessThanOrEqual(1 + 2 * bad.size * Math.ceil(Math.log2(size + 1)))
    })
    await fc.assert(property)
  })

  it('goes no further where something else is wrong', async () => {
    let attempts = 0
    const failing = bisect([1, 2, 3], async () => {
      attempts++
      throw new TypeError('a bug')
    })
    await expect(failing).rejects.toThrow(TypeError)
    expect(attempts).toBe(1)
  })
})
