import { createHash, createHmac } from 'node:crypto'
import { type Access, type Authentication, isOpen } from '../../../schemas/authentication.js'
import type { Contract } from '../../../schemas/contract.js'
import {
  STANDARD_WEBHOOKS,
  SYMMETRIC,
  signedHead,
  standardWebhooksKey,
} from '../../edge/auth/standard-webhooks.js'
import type { SampleRequest } from './samples.js'

/** How requests of each contract are authenticated. Requests of a contract that is missing here are not. */
export type Senders = ReadonlyMap<Contract, Access>

/** A request's headers: content type, and authentication by the first scheme and secret. @param now ms since 1970 */
export function headersOf(
  { contract, body, signature }: Pick<SampleRequest, 'contract' | 'body' | 'signature'>,
  senders: Senders,
  now: number = Date.now(),
): Record<string, string> {
  const headers = { 'Content-Type': 'application/json' }
  const { schemes: [scheme] = [], secrets: [secret] = [] } = senders.get(contract) ?? {}
  if (scheme === undefined || secret === undefined || signature === 'missing') return headers
  return { ...headers, ...proof(scheme, signature === 'right' ? secret : `not ${secret}`, body, now) }
}

/** The names of the contracts without authentication. */
export function openContracts(senders: Senders): string[] {
  return [...senders].filter(([, access]) => isOpen(access)).map(([{ name }]) => name)
}

/** How long a signature of {@link headersOf} is valid, in s; `undefined` where it does not expire. */
export function lifetimeSeconds(access: Access | undefined): number | undefined {
  const scheme = access?.schemes[0]
  return scheme && 'toleranceSeconds' in scheme ? scheme.toleranceSeconds : undefined
}

function proof(scheme: Authentication, secret: string, body: Buffer, now: number): Record<string, string> {
  const timestamp = String(Math.floor(now / 1_000))
  switch (scheme.scheme) {
    case 'hmac': {
      const digest = createHmac('sha256', secret).update(body).digest(scheme.encoding)
      return { [scheme.header]: scheme.prefix + digest }
    }
    case 'hmac-timestamp': {
      const digest = createHmac('sha256', secret).update(`${timestamp}.`).update(body).digest(scheme.encoding)
      return { [scheme.header]: scheme.prefix + digest, [scheme.timestampHeader]: timestamp }
    }
    case 'standard-webhooks': {
      // The id depends only on the body, so it is the same each time the body is sent.
      const id = `msg_${createHash('sha256').update(body).digest('hex').slice(0, 24)}`
      const hmac = createHmac('sha256', standardWebhooksKey(secret)).update(signedHead(id, timestamp))
      return {
        [STANDARD_WEBHOOKS.id]: id,
        [STANDARD_WEBHOOKS.timestamp]: timestamp,
        [STANDARD_WEBHOOKS.signature]: SYMMETRIC + hmac.update(body).digest('base64'),
      }
    }
    case 'secret':
      return { [scheme.header]: secret }
    case 'bearer':
      return { Authorization: `Bearer ${secret}` }
    case 'none':
      return {}
  }
}
