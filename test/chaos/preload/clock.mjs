// Loaded by `node --import` into one process of a chaos run: its clock is off by CHAOS_CLOCK_MS. Timers are not.
const off = Number(process.env.CHAOS_CLOCK_MS)
if (!Number.isFinite(off)) throw new Error('CHAOS_CLOCK_MS is not a number')
const RightDate = Date

globalThis.Date = class ShiftedDate extends RightDate {
  constructor(...values) {
    if (values.length === 0) super(RightDate.now() + off)
    else super(...values)
  }

  static now() {
    return RightDate.now() + off
  }
}
