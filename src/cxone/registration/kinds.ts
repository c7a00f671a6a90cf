import type { Contract } from '../../../schemas/contract.js'

/** What can be registered in CXone. */
export type Kind = 'webhook' | 'data-action'

/** What is to be registered. */
export type Wanted =
  | {
      readonly kind: 'webhook'
      readonly name: string
      readonly url: string
      readonly events: readonly string[]
    }
  | {
      readonly kind: 'data-action'
      readonly name: string
      readonly url: string
      readonly description: string
    }

/** What is registered. */
export interface Registered {
  readonly kind: Kind
  readonly id: string
  readonly name: string
  readonly url: string
  /** All its fields, as CXone has them. */
  readonly fields: Readonly<Record<string, unknown>>
}

/** How CXone's API speaks of a kind. */
interface Api {
  readonly route: string
  /** Field with the URL that CXone posts to. */
  readonly url: string
  readonly scopes: readonly string[]
}

/** CXone's API of each kind. */
export const KINDS: Readonly<Record<Kind, Api>> = {
  webhook: { route: '/api/v2/webhooks', url: 'targetUrl', scopes: ['webhooks:read', 'webhooks:write'] },
  'data-action': {
    route: '/api/v2/dataactions',
    url: 'endpointUrl',
    scopes: ['dataaction:read', 'dataaction:write'],
  },
}

/** The fields that CXone gets. */
export function fieldsOf(wanted: Wanted): Readonly<Record<string, unknown>> {
  const { kind, name, url } = wanted
  return kind === 'webhook'
    ? { name, targetUrl: url, events: wanted.events, active: true }
    : { name, description: wanted.description, endpointUrl: url, format: 'json' }
}

/**
 * What these contracts need in CXone.
 * @param publicUrl the URL at which CXone reaches the edge
 */
export function wantedBy(contracts: readonly Contract[], publicUrl: string): Wanted[] {
  const base = publicUrl.replace(/\/+$/, '')
  return contracts.flatMap(({ name, path, summary, registration }): Wanted[] => {
    if (!registration) return []
    const common = { name: `tributary-${name}`, url: `${base}${path}` }
    return registration.kind === 'webhook'
      ? [{ kind: 'webhook', ...common, events: registration.events }]
      : [{ kind: 'data-action', ...common, description: summary }]
  })
}
