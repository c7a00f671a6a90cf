import { type TSchema, Type } from 'typebox'
import { count, optional } from './types.js'

/** The variables of the calls to CXone. Hosts and paths differ by tenant, so all of them are configuration. */
export const CXONE = {
  PUBLIC_URL: optional(
    'URL at which CXone reaches the edge, without the paths of the contracts; for `tributary register`',
  ),
  CXONE_API_URL: optional("Base of CXone's API: the part of its URLs before /api/v2/"),
  CXONE_TOKEN_URL: optional('Whole URL of the token endpoint of CXone'),
  CXONE_CLIENT_ID: optional('Client id for the token endpoint of CXone', { secret: true }),
  CXONE_CLIENT_ID_FILE: optional('File with CXONE_CLIENT_ID, in its place'),
  CXONE_CLIENT_SECRET: optional('Client secret for the token endpoint of CXone', { secret: true }),
  CXONE_CLIENT_SECRET_FILE: optional('File with CXONE_CLIENT_SECRET, in its place'),
  CXONE_SCOPES: optional('Scopes to ask the token endpoint for, separated by spaces; default: it decides'),
  CXONE_RATE: Type.Number({
    description: 'Maximum requests to CXone per second, of this process',
    default: 50,
    minimum: 0.1,
    maximum: 10_000,
  }),
  CXONE_TIMEOUT_MS: count(
    'How long a request to CXone may take from its start to the end of the answer, in ms',
    30_000,
    10,
    600_000,
  ),
} satisfies Record<string, TSchema>

/** The variables that hold a URL, with an example. */
export const CXONE_EXAMPLES = {
  PUBLIC_URL: 'https://hooks.example.com',
  CXONE_API_URL: 'https://na1.nice.incontact.com',
  CXONE_TOKEN_URL: 'https://na1.nice.incontact.com/oauth2/token',
} as const

/** The errors of the values: a line each. A value is not shown: a URL may contain a password. */
export function wrongUrls(values: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(CXONE_EXAMPLES).flatMap(([name, example]) => {
    const value = values[name]
    if (typeof value !== 'string') return []
    const why = wrongUrl(name, value)
    return why === undefined ? [] : [`${name} ${why}. For example: ${name}=${example}`]
  })
}

function wrongUrl(name: string, value: string): string | undefined {
  const url = URL.canParse(value) ? new URL(value) : undefined
  if (!url || !/^https?:$/.test(url.protocol)) return 'must be a URL with http or https'
  if (url.username || url.password) return 'must have no user and password'
  if (name === 'CXONE_TOKEN_URL') return url.hash ? 'must have no #' : undefined
  if (url.search || url.hash) return 'must have no ? and no #'
  if (name === 'CXONE_API_URL' && /\/api\/v2\b/.test(url.pathname)) return 'must end before /api/v2'
  return undefined
}
