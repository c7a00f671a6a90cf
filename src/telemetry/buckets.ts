/** Upper bounds of buckets. Alerts and dashboards read quantiles off them, so they are part of the contract. */

/** Of answers and commands, in seconds: as OpenTelemetry's conventions have them for HTTP, and finer below. */
export const SHORT = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** From receipt to commit, in seconds. */
export const AGE = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300]

/** From the event's own timestamp to commit, in seconds: 0.1 * 2^n, up to about half an hour. */
export const SYNC_LAG = [
  0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 102.4, 204.8, 409.6, 819.2, 1638.4,
]

/** Entries of a batch. */
export const BATCH = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000]
