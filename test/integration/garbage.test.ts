import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const BUILT = pathToFileURL(resolve(import.meta.dirname, '../../dist/src/ops/garbage.js')).href

/** V8 writes a line beginning with "pretenuring:" when it judges whose objects to allocate in the old generation. */
async function judgements(first: string): Promise<number> {
  const script = `
    const { allocateYoung } = await import('${BUILT}')
    ${first}
    for (let i = 0; i < 3; i++) {
      const made = Array.from({ length: 100_000 }, (_, i) => ({ i, list: [i] }))
      gc({ type: 'minor' })
      if (made.length === 0) break
    }`
  const flags = ['--expose-gc', '--trace-pretenuring-statistics', '--input-type=module']
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, '-e', script], {
    maxBuffer: 64 << 20,
  })
  return stdout.split('pretenuring:').length - 1
}

test('V8 no longer allocates in its old generation after allocateYoung', async () => {
  expect(await judgements('')).toBeGreaterThan(0)
  expect(await judgements('allocateYoung()')).toBe(0)
})
