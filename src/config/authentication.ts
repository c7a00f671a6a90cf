import {
  type Access,
  AUTHENTICATIONS,
  type Authentication,
  type Scheme,
} from '../../schemas/authentication.js'
import type { Contract } from '../../schemas/contract.js'
import { type ContractSetting, contractVariable, NO_PREFIX } from './contract.js'

/** Values of variables, by their names. */
type Values = Readonly<Record<string, unknown>>

/** The settings that only some schemes have, and these schemes. */
const OWNERS = {
  AUTH_HEADER: ['hmac', 'hmac-timestamp', 'secret'],
  AUTH_TIMESTAMP_HEADER: ['hmac-timestamp'],
  AUTH_ENCODING: ['hmac', 'hmac-timestamp'],
  AUTH_PREFIX: ['hmac', 'hmac-timestamp'],
  AUTH_TOLERANCE_SECONDS: ['hmac-timestamp', 'standard-webhooks'],
} satisfies Partial<Record<ContractSetting, readonly Scheme[]>>

/** A header's name, by RFC 9110. */
const HEADER_NAME = /^[\w!#$%&'*+.^`|~-]+$/
/** Characters of a header's value that every client and proxy sends unchanged. */
const HEADER_VALUE = /^[\x20-\x7e]+$/
/** A secret in the form of Standard Webhooks; other secrets are used as they are. */
const WHSEC = /^whsec_[A-Za-z0-9+/]{2,}={0,2}$/

/** The access that a contract's variables configure. */
export interface Choice extends Access {
  /** What is wrong, one error a line; the rest is valid only where this is empty. */
  readonly mistakes: readonly string[]
}

/** Reads the schemes and secrets from the values of a contract's variables. */
export function chooseAccess(contract: Contract, values: Values): Choice {
  const read = (setting: ContractSetting) => values[contractVariable(contract.name, setting)]
  const secrets = itemsOf(read('SECRETS'))
  const names = itemsOf(read('AUTH'))
  const wrong = wrongSchemes(names)
  if (wrong) {
    return { schemes: [], secrets, mistakes: [`${contractVariable(contract.name, 'AUTH')} ${wrong}`] }
  }
  const schemes = names.filter(isScheme)
  const mistakes = [
    ...uselessSettings(contract, schemes, read),
    ...wrongHeaders(contract, schemes, read),
    ...wrongSecrets(contract, schemes, secrets),
  ]
  return { schemes: schemes.map((scheme) => configured(contract, scheme, schemes, read)), secrets, mistakes }
}

type Read = (setting: ContractSetting) => unknown

/** Splits a comma-separated value. */
function itemsOf(value: unknown): string[] {
  const items = typeof value === 'string' ? value.split(',') : []
  return items.map((item) => item.trim()).filter((item) => item !== '')
}

function isScheme(name: string): name is Scheme {
  return Object.hasOwn(AUTHENTICATIONS, name)
}

function wrongSchemes(names: readonly string[]): string | undefined {
  const valid = Object.keys(AUTHENTICATIONS).join(', ')
  const shown = `not "${names.join(',')}"`
  if (names.length === 0 || !names.every(isScheme)) return `must be one or several of ${valid}, ${shown}`
  if (new Set(names).size < names.length) return `must name each scheme once, ${shown}`
  if (names.includes('none') && names.length > 1)
    return `must be none without other schemes, if anybody may post, ${shown}`
  return undefined
}

function uselessSettings({ name }: Contract, schemes: readonly Scheme[], read: Read): string[] {
  return Object.entries(OWNERS).flatMap(([key, owners]) => {
    const setting = key as keyof typeof OWNERS
    if (read(setting) === undefined || schemes.some((scheme) => owners.some((owner) => owner === scheme)))
      return []
    const auth = `${contractVariable(name, 'AUTH')}=${schemes.join(',')}`
    return [`${contractVariable(name, setting)} is for ${owners.join(', ')}; with ${auth} leave it out`]
  })
}

/** The schemes whose headers AUTH_HEADER names, in its order. */
function renamed(schemes: readonly Scheme[]): Scheme[] {
  return schemes.filter((scheme) => OWNERS.AUTH_HEADER.some((owner) => owner === scheme))
}

function wrongHeaders({ name }: Contract, schemes: readonly Scheme[], read: Read): string[] {
  const settings = ['AUTH_HEADER', 'AUTH_TIMESTAMP_HEADER'] as const
  const wrong = settings.flatMap((setting) => {
    const bad = itemsOf(read(setting)).filter((header) => !HEADER_NAME.test(header))
    return bad.map((header) => `${contractVariable(name, setting)} must name headers, not "${header}"`)
  })
  const [headers, takers] = [itemsOf(read('AUTH_HEADER')), renamed(schemes)]
  if (read('AUTH_HEADER') === undefined || takers.length === 0 || headers.length === takers.length)
    return wrong
  const variable = contractVariable(name, 'AUTH_HEADER')
  return [...wrong, `${variable} must name one header each for ${takers.join(', ')}, not ${headers.length}`]
}

function wrongSecrets({ name }: Contract, schemes: readonly Scheme[], secrets: readonly string[]): string[] {
  const variable = contractVariable(name, 'SECRETS')
  const isPlain = schemes.includes('secret') || schemes.includes('bearer')
  const mistakes: string[] = []
  if (isPlain && !secrets.every((secret) => HEADER_VALUE.test(secret)))
    mistakes.push(`${variable} must be printable ASCII, as the header is that carries it`)
  const isWrong = (secret: string) => secret.startsWith('whsec_') && !WHSEC.test(secret)
  if (schemes.includes('standard-webhooks') && secrets.some(isWrong))
    mistakes.push(`${variable} has a secret that starts with whsec_, but the rest is invalid base64`)
  return mistakes
}

/** A scheme with the contract's settings, otherwise the usual ones; the variables override both. */
function configured(
  { authentication }: Contract,
  scheme: Scheme,
  schemes: readonly Scheme[],
  read: Read,
): Authentication {
  const standard = authentication.scheme === scheme ? authentication : AUTHENTICATIONS[scheme]
  const header = itemsOf(read('AUTH_HEADER'))[renamed(schemes).indexOf(scheme)]
  const timestampHeader = read('AUTH_TIMESTAMP_HEADER')
  const encoding = read('AUTH_ENCODING')
  const prefix = read('AUTH_PREFIX')
  const toleranceSeconds = read('AUTH_TOLERANCE_SECONDS')
  return {
    ...standard,
    ...('header' in standard && header !== undefined && { header }),
    ...('timestampHeader' in standard && typeof timestampHeader === 'string' && { timestampHeader }),
    ...('encoding' in standard && (encoding === 'hex' || encoding === 'base64') && { encoding }),
    ...('prefix' in standard && typeof prefix === 'string' && { prefix: prefix === NO_PREFIX ? '' : prefix }),
    ...('toleranceSeconds' in standard && typeof toleranceSeconds === 'number' && { toleranceSeconds }),
  }
}
