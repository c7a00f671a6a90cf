import { createHmac } from 'node:crypto'
import { CONTRACTS } from '../../../schemas/index.js'
import { type Config, secretsOf } from '../../config.js'
import type { SampleRequest } from './samples.js'

/** The secret that signs a contract's requests, by its name; none where anybody may post. */
export type SigningSecrets = Readonly<Record<string, string | undefined>>

/** The first secret of each contract; none where anybody may post. @throws ConfigError where neither is said */
export function signingSecrets(
  config: Config,
  contracts: readonly string[] = CONTRACTS.map(({ name }) => name),
): SigningSecrets {
  return Object.fromEntries([...secretsOf(config, contracts)].map(([name, secrets]) => [name, secrets?.[0]]))
}

/** The headers that a request is sent with: its content type and, where the contract has a secret, the signature. */
export function headersOf(
  { contract, body, signature }: Pick<SampleRequest, 'contract' | 'body' | 'signature'>,
  secrets: SigningSecrets,
): Record<string, string> {
  const headers: Record<string, string> = { 'Content-Type': 'application/json' }
  const secret = secrets[contract.name]
  if (secret === undefined || signature === 'missing') return headers
  const { header, encoding } = contract.signature
  const key = signature === 'right' ? secret : `not ${secret}`
  headers[header] = createHmac('sha256', key).update(body).digest(encoding)
  return headers
}
