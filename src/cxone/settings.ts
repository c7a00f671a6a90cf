import { CXONE_EXAMPLES } from '../config/cxone.js'
import { type Config, ConfigError } from '../config.js'
import type { CxoneOptions } from './client.js'

/** What calls to CXone need, and an example of each. */
const NEEDED = {
  CXONE_API_URL: `CXONE_API_URL=${CXONE_EXAMPLES.CXONE_API_URL} (the base that /api/v2/ follows)`,
  CXONE_TOKEN_URL: `CXONE_TOKEN_URL=${CXONE_EXAMPLES.CXONE_TOKEN_URL}`,
  CXONE_CLIENT_ID: 'CXONE_CLIENT_ID=..., or CXONE_CLIENT_ID_FILE=/run/secrets/cxone-client-id',
  CXONE_CLIENT_SECRET:
    'CXONE_CLIENT_SECRET=..., or CXONE_CLIENT_SECRET_FILE=/run/secrets/cxone-client-secret',
} as const

/**
 * The options of the client, as the configuration has them.
 * @throws ConfigError that names every missing variable, with an example
 */
export function cxoneOptions(config: Config): CxoneOptions {
  const { CXONE_API_URL, CXONE_TOKEN_URL, CXONE_CLIENT_ID, CXONE_CLIENT_SECRET } = config
  if (
    CXONE_API_URL === undefined ||
    CXONE_TOKEN_URL === undefined ||
    CXONE_CLIENT_ID === undefined ||
    CXONE_CLIENT_SECRET === undefined
  ) {
    const missing = Object.entries(NEEDED).filter(([name]) => config[name] === undefined)
    const lines = missing.map(([name, example]) => `  ${name} is not set. For example: ${example}`)
    throw new ConfigError(
      `CXone cannot be called:\n${lines.join('\n')}\ndocs/cxone.md has the hosts, and what each variable means.`,
    )
  }
  return {
    apiUrl: CXONE_API_URL.replace(/\/+$/, ''),
    tokenUrl: CXONE_TOKEN_URL,
    clientId: CXONE_CLIENT_ID,
    clientSecret: CXONE_CLIENT_SECRET,
    scopes: config.CXONE_SCOPES,
    rate: config.CXONE_RATE,
    timeoutMs: config.CXONE_TIMEOUT_MS,
  }
}
