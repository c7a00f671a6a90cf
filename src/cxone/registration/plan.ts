import { isDeepStrictEqual } from 'node:util'
import { fieldsOf, type Registered, type Wanted } from './kinds.js'

/** A field that differs from what is wanted. */
export interface Difference {
  readonly field: string
  readonly from: unknown
  readonly to: unknown
}

/** What is to be done about one registration. */
export interface Step {
  readonly wanted: Wanted
  readonly action: 'create' | 'update' | 'leave'
  /** The one that is updated or left. */
  readonly registered: Registered | undefined
  /** Only of an update. */
  readonly differences: readonly Difference[]
  /** Others with the same name or URL: CXone delivers their events, too, a second time. */
  readonly others: readonly Registered[]
}

/**
 * Compares what is wanted with all that is registered of its kind. A registration is the same by its name, else by its
 * URL: one that a person made for this URL is taken over, so that events do not come twice.
 */
export function planStep(wanted: Wanted, all: readonly Registered[]): Step {
  const rank = ({ name, url }: Registered) =>
    (name === wanted.name ? 2 : 0) + (sameUrl(url, wanted.url) ? 1 : 0)
  const [registered, ...others] = all.filter((one) => rank(one) > 0).sort((a, b) => rank(b) - rank(a))
  const differences = registered ? differencesOf(wanted, registered) : []
  const action = !registered ? 'create' : differences.length > 0 ? 'update' : 'leave'
  return { wanted, action, registered, differences, others }
}

function differencesOf(wanted: Wanted, { fields }: Registered): Difference[] {
  return Object.entries(fieldsOf(wanted))
    .filter(([field, to]) => !isDeepStrictEqual(sorted(fields[field]), sorted(to)))
    .map(([field, to]) => ({ field, from: fields[field], to }))
}

/** The order of events has no meaning. */
function sorted(value: unknown): unknown {
  return Array.isArray(value) ? [...new Set(value.map(String))].sort() : value
}

function sameUrl(a: string, b: string): boolean {
  const normal = (url: string) => (URL.canParse(url) ? new URL(url).href : url).replace(/\/+$/, '')
  return normal(a) === normal(b)
}
