import { describe, expect, test } from 'vitest'
import { MUTANTS } from '../chaos/mutants.js'
import { KIND_NAMES } from '../chaos/plan.js'
import { isSound, report } from '../chaos/report.js'
import { type ChaosOptions, runChaos } from '../chaos/run.js'

const said: string[] = []
const COMMON = {
  ...{ seed: 1, rate: 120, kinds: KIND_NAMES, keep: false },
  say: (line: string) => void said.push(line),
  signal: new AbortController().signal,
} satisfies Partial<ChaosOptions>

test('under every kind of fault nothing that was acknowledged is lost or doubled, and the stores equal the model', async () => {
  const outcome = await runChaos({ ...COMMON, forMs: 60_000 })
  // The whole story, where it is a bad one.
  expect(isSound(outcome), `${said.join('\n')}\n${report(outcome)}`).toBe(true)
  expect(outcome.struck.missed).toEqual([])
  expect(Object.keys(outcome.struck.byKind).toSorted()).toEqual(KIND_NAMES.toSorted())
  for (const { accepted, delivered, deadLettered } of outcome.accounts) {
    expect(accepted).toBeGreaterThan(300)
    expect(deadLettered).toBeGreaterThan(0)
    expect(delivered + deadLettered).toBe(accepted)
  }
  expect(outcome.entries.trimmed).toBeGreaterThan(1_000)
})

describe('a product with a mistake is found out', () => {
  // What each must end with; others may come with it.
  const KINDS: Readonly<Record<string, string>> = {
    'ack-before-write': 'lost',
    'trim-unread': 'lost',
    'lost-read': 'pending',
    'hasty-edge': 'lost',
  }
  test.for(Object.entries(MUTANTS))('%s', async ([name, mutant]) => {
    const outcome = await runChaos({ ...COMMON, ...mutant, seed: 2, forMs: 0, drainMs: 6_000 })
    expect(outcome.struck.missed).toEqual([])
    expect(outcome.findings.map(({ kind }) => kind)).toContain(KINDS[name])
    expect(outcome.findings.map(({ kind }) => kind)).not.toContain('crashed')
  })
})
