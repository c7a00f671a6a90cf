import type { GroupBacklog } from './backlog.js'

/** A change of speed is believed after about this time, in ms. */
const SMOOTHING_MS = 10_000

interface Known {
  readonly at: number
  readonly entries: number
  readonly acknowledged: number | undefined
  /** Entries a millisecond, where that could be seen. */
  readonly speed: number | undefined
}

/**
 * How fast the groups settle entries while they have enough to do. It tells how long an entry that comes now will
 * wait; the age of the oldest tells only how long one that came long ago has waited, and who goes by that alone
 * refuses too late and admits again too late.
 */
export class DrainRate {
  #known = new Map<string, Known>()

  /** Takes a reading. @param now in ms of a steady clock */
  observe(groups: readonly GroupBacklog[], now: number): void {
    this.#known = new Map(
      groups.map(({ group, entries, acknowledged }) => {
        const speed = speedOf(this.#known.get(group), { at: now, entries, acknowledged })
        return [group, { at: now, entries, acknowledged, speed }]
      }),
    )
  }

  /** Entries a millisecond; `undefined` while the group keeps up, or has acknowledged nothing yet. */
  speedOf(group: string): number | undefined {
    return this.#known.get(group)?.speed
  }
}

function speedOf(before: Known | undefined, now: Omit<Known, 'speed'>): number | undefined {
  if (before?.acknowledged === undefined || now.acknowledged === undefined || now.entries === 0)
    return undefined
  const acknowledged = now.acknowledged - before.acknowledged
  // It stands still: for how long is what the age says. Its speed will be what it was.
  if (acknowledged <= 0) return before.speed
  // It had caught up in between, so what it acknowledged says what came, not what it can do.
  if (acknowledged > before.entries) return undefined
  const elapsed = Math.max(1, now.at - before.at)
  const sample = acknowledged / elapsed
  if (before.speed === undefined) return sample
  return before.speed + (sample - before.speed) * (1 - Math.exp(-elapsed / SMOOTHING_MS))
}
