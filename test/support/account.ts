import { expect } from 'vitest'
import { balances } from '../../src/dev/ledger/ledger.js'
import type { SendReport } from '../../src/dev/traffic/sender.js'
import type { Rig } from './rig.js'

/** Waits for the workers, then holds that every acknowledged event is where it should be, in both stores. */
export async function expectNothingLost(
  rig: Rig,
  report: Pick<SendReport, 'unexpected' | 'acknowledged'>,
): Promise<void> {
  expect(report.unexpected).toEqual([])
  await rig.drain()
  const ledgers = await rig.ledger(report.acknowledged)
  expect(ledgers.map(({ sink }) => sink)).toEqual(['postgres', 'mongo'])
  for (const ledger of ledgers) {
    expect(ledger).toMatchObject({ lost: [], doubled: [], pending: 0 })
    // The traffic has some of everything; a ledger that finds nothing would balance, too.
    expect(ledger.delivered).toBeGreaterThan(report.acknowledged.length / 4)
    expect(ledger.deadLettered).toBeGreaterThan(0)
    expect(balances(ledger)).toBe(true)
  }
}
