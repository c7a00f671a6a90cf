import { SHORT } from './buckets.js'
import type { HistogramOptions } from './histogram.js'
import type { InstrumentOptions } from './metrics.js'
import { METRIC } from './names.js'

/** What the edge and the workers both tell: one instrument, where they are in one process. */

/** Of the log. */
export const OPERATION_DURATION: HistogramOptions = {
  name: METRIC.operationDuration,
  description: 'Commands to the log: a read counts with its wait for entries, and only where some came',
  unit: 's',
  bounds: SHORT,
}

/** By sink (or `edge`) and reason. */
export const DEAD_LETTERS: InstrumentOptions = {
  name: METRIC.deadLettered,
  description: 'Dead letters that were written',
  unit: '{message}',
}
