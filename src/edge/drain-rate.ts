import type { GroupBacklog } from './backlog.js'

/** Time after which a changed speed counts fully, about, in ms. */
const SMOOTHING_MS = 10_000

interface Known {
  readonly at: number
  readonly entries: number
  readonly acknowledged: number | undefined
  /** Entries per ms; `undefined` until a reading showed it. */
  readonly speed: number | undefined
}

/**
 * How fast the groups acknowledge entries while they have a backlog. It predicts the wait of a new entry. The age of
 * the oldest entry shows only a past wait: admission by age alone would refuse too late, and admit again too late.
 */
export class DrainRate {
  #known = new Map<string, Known>()

  /** Adds a reading. @param now in ms of a steady clock */
  observe(groups: readonly GroupBacklog[], now: number): void {
    this.#known = new Map(
      groups.map(({ group, entries, acknowledged }) => {
        const speed = speedOf(this.#known.get(group), { at: now, entries, acknowledged })
        return [group, { at: now, entries, acknowledged, speed }]
      }),
    )
  }

  /** Entries per ms; `undefined` while the group keeps up, or has acknowledged nothing yet. */
  speedOf(group: string): number | undefined {
    return this.#known.get(group)?.speed
  }
}

function speedOf(before: Known | undefined, now: Omit<Known, 'speed'>): number | undefined {
  if (before?.acknowledged === undefined || now.acknowledged === undefined || now.entries === 0)
    return undefined
  const acknowledged = now.acknowledged - before.acknowledged
  // The group stands still; the age shows for how long. Its speed stays as it was.
  if (acknowledged <= 0) return before.speed
  // The group caught up in between, so its count shows the inflow, not its speed.
  if (acknowledged > before.entries) return undefined
  const elapsed = Math.max(1, now.at - before.at)
  const sample = acknowledged / elapsed
  if (before.speed === undefined) return sample
  return before.speed + (sample - before.speed) * (1 - Math.exp(-elapsed / SMOOTHING_MS))
}
