import { type TSchema, Type } from 'typebox'
import { AUTHENTICATIONS } from '../../schemas/authentication.js'
import type { Contract } from '../../schemas/contract.js'

/** The settings of a contract. */
export type ContractSetting =
  | 'SECRETS'
  | 'AUTH'
  | 'AUTH_HEADER'
  | 'AUTH_TIMESTAMP_HEADER'
  | 'AUTH_ENCODING'
  | 'AUTH_PREFIX'
  | 'AUTH_TOLERANCE_SECONDS'

/** Value of AUTH_PREFIX for no prefix where the scheme has one by default. An empty variable counts as not set. */
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
      description: `How a post to ${path} is authenticated: ${Object.keys(AUTHENTICATIONS).join(', ')} (anybody may post), or several, any of which is enough`,
    }),
    AUTH_HEADER: text(
      'hmac, hmac-timestamp, secret: name of its header; one for each of these schemes, comma-separated',
    ),
    AUTH_TIMESTAMP_HEADER: text('hmac-timestamp: name of the header with the Unix seconds'),
    AUTH_ENCODING: Type.Optional(
      Type.Enum(['hex', 'base64'], { description: 'hmac, hmac-timestamp: how the signature is written' }),
    ),
    AUTH_PREFIX: text(
      `hmac, hmac-timestamp: prefix of the signature, such as sha256=; ${NO_PREFIX}: no prefix`,
    ),
    AUTH_TOLERANCE_SECONDS: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 86_400,
        description:
          'hmac-timestamp, standard-webhooks: maximum difference between the timestamp of a request and now, in s',
      }),
    ),
  }
  return Object.fromEntries(
    Object.entries(settings).map(([setting, schema]) => [variablePrefix(name) + setting, schema]),
  )
}
