/** In ms. A small part is about one item of a batch. */
const PART_MS = { whole: 250, small: 50, least: 5 }
/** Once failed parts have taken this time, in ms, each part gets half; at twice this time a third, and so on. */
const HALVING_MS = 120
/** Age of a trial, in ms, from which on parts get more time where nothing can be written: the store may be slow. */
const PATIENT_MS = 5_000
/** The most that the time for a part grows to, as a multiple. */
const MOST_PATIENCE = 64

/** The time that a part of a batch gets, so that slow items do not keep their neighbours waiting for long. */
export class PartTime {
  #spentMs = 0
  #patience = 1

  /** Notes how long a part took that failed, in ms. */
  spend(ms: number): void {
    this.#spentMs += ms
  }

  /** Gives parts more time from now on, where the trial is old and nothing was written. @param ageMs of the trial */
  grow(ageMs: number): void {
    if (ageMs < PATIENT_MS) return
    this.#patience = Math.min(ageMs / PATIENT_MS, MOST_PATIENCE)
    this.#spentMs = 0
  }

  /** Longest time for a part, in ms. @param share its share of the batch, up to 1 */
  limitMs(share: number): number {
    const calmMs = Math.max(PART_MS.small, PART_MS.whole * share)
    return Math.max(PART_MS.least, calmMs / (1 + this.#spentMs / HALVING_MS)) * this.#patience
  }
}
