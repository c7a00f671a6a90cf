import type { BudgetKeeper } from '../stream/dead-letters/budget.js'
import type { Task } from './task.js'

/**
 * Keeps dead letters within their budget. It frees memory but also needs some: it writes a trace of each dropped letter, so a
 * full Redis refuses it.
 * @param everyMs from one check to the next, in ms
 */
export function deadLetterRetention(keeper: BudgetKeeper, everyMs = 60_000): Task {
  return { name: 'dead-letters', makesRoom: false, everyMs, run: () => keeper.check() }
}
