import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { MUTANTS } from '../chaos/mutants.js'

const DIST = join(import.meta.dirname, '../../dist')

test.each(Object.entries(MUTANTS))('%s fits the compiled code', (_, { mutation: { file, from } }) => {
  expect(readFileSync(join(DIST, file), 'utf8').split(from)).toHaveLength(2)
})
