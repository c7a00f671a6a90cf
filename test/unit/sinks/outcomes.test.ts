import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { OUTCOMES as MONGO } from '../../../src/sinks/mongo/outcomes.js'
import { FINAL_OF_A_VALUE, OUTCOMES as POSTGRES } from '../../../src/sinks/postgres/outcomes.js'

const page = readFileSync(join(import.meta.dirname, '../../../docs/outcomes.md'), 'utf8')

/** The rows under a heading: code, outcome, meaning. */
function rows(heading: string): string[][] {
  const [, section = ''] = page.split(`\n## ${heading}\n`)
  const lines = section.split('\n## ')[0]?.split('\n') ?? []
  return lines.flatMap((line) => {
    const row = /^\| `(\w+)` \| (\w+) \| (.+) \|$/.exec(line)
    return row ? [row.slice(1)] : []
  })
}

describe('docs/outcomes.md', () => {
  it.each([
    ['Postgres', POSTGRES],
    ['MongoDB', MONGO],
  ] as const)('has what %s may say, and nothing else', (heading, outcomes) => {
    const known = [...outcomes].map(([code, { outcome, says }]) => [String(code), outcome, says])
    expect(known.length).toBeGreaterThan(10)
    expect(rows(heading)).toEqual(known)
  })

  it('names what is final of a value only', () => {
    for (const code of FINAL_OF_A_VALUE.keys()) expect(page).toContain(`\`${code}\``)
  })
})
