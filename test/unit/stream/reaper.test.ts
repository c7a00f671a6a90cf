import { expect, test } from 'vitest'
import { scanPauseMs } from '../../../src/stream/reaper.js'

test('the next scan is due after 0.25 to 0.75 leases, so an entry is claimed within 1.75', () => {
  expect(scanPauseMs(60_000, () => 0)).toBe(15_000)
  expect(scanPauseMs(60_000, () => 0.5)).toBe(30_000)
  // Math.random stays below 1.
  expect(scanPauseMs(60_000, () => 1)).toBe(45_000)
})
