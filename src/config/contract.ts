import { type TSchema, Type } from 'typebox'
import { AUTHENTICATIONS } from '../../schemas/authentication.js'
import type { Contract } from '../../schemas/contract.js'

/** What can be configured of a contract. */
export type ContractSetting =
  | 'SECRETS'
  | 'AUTH'
  | 'AUTH_HEADER'
  | 'AUTH_TIMESTAMP_HEADER'
  | 'AUTH_ENCODING'
  | 'AUTH_PREFIX'
  | 'AUTH_TOLERANCE_SECONDS'

/** In AUTH_PREFIX: nothing, where the scheme would have a prefix. An empty variable counts as one that is not set. */
export const NO_PREFIX = 'none'

/** Prefix of all variables of a contract: `DATA_ACTION_` for `data-action`. */
export function variablePrefix(contract: string): string {
  return `${contract.toUpperCase().replaceAll('-', '_')}_`
}

/** The variable of a contract's setting: `DATA_ACTION_AUTH` for `AUTH` of `data-action`. */
export function contractVariable(contract: string, setting: ContractSetting): string {
  return variablePrefix(contract) + setting
}

/** The variables of a contract. */
export function contractVariables({ name, path, authentication }: Contract): Record<string, TSchema> {
  const text = (description: string) => Type.Optional(Type.String({ minLength: 1, description }))
  const settings: Record<ContractSetting, TSchema> = {
    SECRETS: Type.Optional(
      Type.String({
        minLength: 1,
        secret: true,
        description: `Secrets of those who post to ${path}, comma-separated; several while rotating`,
      }),
    ),
    AUTH: Type.String({
      default: authentication.scheme,
      description: `What a post to ${path} must prove: ${Object.keys(AUTHENTICATIONS).join(', ')} (anybody may post), or several, any of which will do`,
    }),
    AUTH_HEADER: text('hmac, hmac-timestamp, secret: its header; one each where there are several of these'),
    AUTH_TIMESTAMP_HEADER: text('hmac-timestamp: header of the Unix seconds'),
    AUTH_ENCODING: Type.Optional(
      Type.Enum(['hex', 'base64'], { description: 'hmac, hmac-timestamp: how the signature is written' }),
    ),
    AUTH_PREFIX: text(
      `hmac, hmac-timestamp: what must stand before the signature, such as sha256=; ${NO_PREFIX}: nothing`,
    ),
    AUTH_TOLERANCE_SECONDS: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 86_400,
        description: 'hmac-timestamp, standard-webhooks: how far from now a request may be dated, in s',
      }),
    ),
  }
  return Object.fromEntries(
    Object.entries(settings).map(([setting, schema]) => [variablePrefix(name) + setting, schema]),
  )
}
