import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { Span } from '../support/otlp-messages.js'
import { orphans } from '../support/traces.js'
import { drawWaterfall } from '../support/waterfall.js'

const IMAGES = join(import.meta.dirname, '../../docs/images')

// `npx vitest run test/harness/trace-picture.test.ts -u` draws them anew.
it.each(['trace', 'trace-outage'])(
  'docs/images/%s.svg is drawn from spans as a receiver got them',
  async (name) => {
    const text = readFileSync(join(IMAGES, `${name}.json`), 'utf8')
    const spans = JSON.parse(text, (key, value) =>
      key === 'start' || key === 'end' ? BigInt(value) : value,
    ) as Span[]
    expect(orphans(spans)).toEqual([])
    await expect(drawWaterfall(spans)).toMatchFileSnapshot(join(IMAGES, `${name}.svg`))
  },
)
