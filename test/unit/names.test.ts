import * as stable from '@opentelemetry/semantic-conventions'
import * as incubating from '@opentelemetry/semantic-conventions/incubating'
import { expect, it } from 'vitest'
import { ATTRIBUTE } from '../../src/telemetry/names.js'

it('has every attribute from the semantic conventions, or below a prefix of ours', () => {
  const conventions = new Set<unknown>([stable, incubating].flatMap((part: object) => Object.values(part)))
  const strange = Object.values(ATTRIBUTE).filter(
    (name) => !conventions.has(name) && !name.startsWith('cxone.'),
  )
  expect(strange).toEqual([])
})
