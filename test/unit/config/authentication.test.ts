import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { AUTHENTICATIONS, NICE_SIGNATURE } from '../../../schemas/authentication.js'
import { cdc } from '../../../schemas/cdc.js'
import { dataAction } from '../../../schemas/data-action.js'
import { CONTRACTS } from '../../../schemas/index.js'
import { validated } from '../../../schemas/validated.js'
import {
  accessOf,
  authVariable,
  ConfigError,
  type Environment,
  readConfig,
  secretsVariable,
  VARIABLES,
} from '../../../src/config.js'

/** Who may post by cdc. */
function access(env: Environment) {
  return accessOf(readConfig({ CDC_SECRETS: 's', ...env }), [cdc]).get(cdc)
}
const schemes = (env: Environment) => access(env)?.schemes

/** The lines of the ConfigError about the environment. */
function complaints(env: Environment, read: (env: Environment) => unknown = readConfig): string[] {
  try {
    read(env)
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n').map((line) => line.trim())
    throw error
  }
  return []
}

describe('without a word, a contract', () => {
  it('has its own scheme', () => {
    const env = Object.fromEntries(CONTRACTS.map(({ name }) => [secretsVariable(name), name]))
    const all = accessOf(readConfig(env), CONTRACTS)
    for (const contract of CONTRACTS) {
      expect(all.get(contract)).toEqual({ schemes: [contract.authentication], secrets: [contract.name] })
    }
    expect(validated.authentication).toMatchObject({ header: 'X-CXone-Signature', encoding: 'hex' })
  })

  it.each([undefined, ',', ' , '])(
    'is not open: it says how to give a secret, where there is none: %j',
    (secrets) => {
      const env = Object.fromEntries(CONTRACTS.map(({ name }) => [secretsVariable(name), secrets]))
      const lines = complaints(env, (all) => accessOf(readConfig(all), CONTRACTS))
      expect(lines).toHaveLength(CONTRACTS.length)
      for (const [i, { name }] of CONTRACTS.entries()) {
        expect(lines[i]).toContain(`${secretsVariable(name)} is not set`)
        expect(lines[i]).toContain(`${authVariable(name)}=none`)
      }
    },
  )
})

describe('the secrets of a contract', () => {
  it('are several while they are rotated', () => {
    expect(access({ CDC_SECRETS: 'new, old ,' })?.secrets).toEqual(['new', 'old'])
  })

  it('are not needed where anybody may post, and only there', () => {
    for (const CDC_SECRETS of ['', 'x']) {
      expect(schemes({ CDC_AUTH: 'none', CDC_SECRETS })).toEqual([{ scheme: 'none' }])
    }
    for (const CDC_AUTH of [
      'hmac',
      'hmac-timestamp',
      'standard-webhooks',
      'secret',
      'bearer',
      'hmac,bearer',
    ]) {
      expect(complaints({ CDC_AUTH }, (env) => accessOf(readConfig(env), [cdc]))).toHaveLength(1)
    }
  })

  it('must fit into the header that carries them', () => {
    const line = 'CDC_SECRETS must be printable ASCII, as the header is that carries it'
    for (const CDC_AUTH of ['secret', 'bearer', 'hmac,secret']) {
      expect(complaints({ CDC_AUTH, CDC_SECRETS: 'fine,Zoë' })).toContain(line)
    }
    expect(complaints({ CDC_AUTH: 'hmac', CDC_SECRETS: 'Zoë' })).toEqual([])
  })

  it.each(['whsec_', 'whsec_a', 'whsec_not base64', 'whsec_a=b='])('with whsec_ are base64: %s', (secret) => {
    const lines = complaints({ CDC_AUTH: 'standard-webhooks', CDC_SECRETS: `plain,${secret}` })
    expect(lines).toContain(
      'CDC_SECRETS has a secret that starts with whsec_, but the rest is invalid base64',
    )
    expect(lines.join()).not.toMatch(/plain|not base64|a=b/)
    expect(complaints({ CDC_AUTH: 'hmac', CDC_SECRETS: secret })).toEqual([])
  })
})

describe('the schemes of a contract', () => {
  it('are what configuration names, each as it usually is', () => {
    expect(schemes({ CDC_AUTH: 'hmac-timestamp, standard-webhooks,secret,bearer' })).toEqual([
      {
        scheme: 'hmac-timestamp',
        header: 'X-Nexus-Signature-256',
        timestampHeader: 'X-Nexus-Timestamp',
        encoding: 'hex',
        prefix: 'sha256=',
        toleranceSeconds: 300,
      },
      { scheme: 'standard-webhooks', toleranceSeconds: 300 },
      { scheme: 'secret', header: 'X-CXone-Webhook-Secret' },
      { scheme: 'bearer' },
    ])
  })

  it('keep what the contract says of its own', () => {
    const env = { VALIDATED_AUTH: 'secret,hmac,bearer', VALIDATED_SECRETS: 's' }
    expect(accessOf(readConfig(env), [validated]).get(validated)?.schemes).toEqual([
      { scheme: 'secret', header: 'X-CXone-Webhook-Secret' },
      validated.authentication,
      { scheme: 'bearer' },
    ])
  })

  it('can be renamed', () => {
    const names = { CDC_AUTH_HEADER: 'X-Sig', CDC_AUTH_ENCODING: 'hex', CDC_AUTH_PREFIX: 'v0=' }
    const hmac = { scheme: 'hmac', header: 'X-Sig', encoding: 'hex', prefix: 'v0=' }
    expect(schemes(names)).toEqual([hmac])
    const more = { CDC_AUTH_TIMESTAMP_HEADER: 'X-Time', CDC_AUTH_TOLERANCE_SECONDS: '60' }
    expect(schemes({ ...names, ...more, CDC_AUTH: 'hmac-timestamp' })).toEqual([
      { ...hmac, scheme: 'hmac-timestamp', timestampHeader: 'X-Time', toleranceSeconds: 60 },
    ])
    expect(schemes({ CDC_AUTH: 'hmac-timestamp', CDC_AUTH_PREFIX: 'none' })).toMatchObject([{ prefix: '' }])
    expect(schemes({ CDC_AUTH: 'standard-webhooks', CDC_AUTH_TOLERANCE_SECONDS: '9' })).toEqual([
      { scheme: 'standard-webhooks', toleranceSeconds: 9 },
    ])
  })

  it('take their headers in the order in which they are named, bearer none', () => {
    const env = { CDC_AUTH: 'secret,bearer,hmac', CDC_AUTH_HEADER: 'X-Secret, X-Sig' }
    expect(schemes(env)).toEqual([
      { scheme: 'secret', header: 'X-Secret' },
      { scheme: 'bearer' },
      { ...NICE_SIGNATURE, header: 'X-Sig' },
    ])
  })

  it('of one contract leave those of another alone', () => {
    const env = { CDC_AUTH: 'bearer', DATA_ACTION_SECRETS: 't' }
    expect(accessOf(readConfig(env), [dataAction]).get(dataAction)).toEqual({
      schemes: [NICE_SIGNATURE],
      secrets: ['t'],
    })
  })
})

describe('the configuration names', () => {
  const valid = 'hmac, hmac-timestamp, standard-webhooks, secret, bearer, none'
  it.each<[Environment, string]>([
    [{ CDC_AUTH: 'basic' }, `CDC_AUTH must be one or several of ${valid}, not "basic"`],
    [{ CDC_AUTH: 'hmac,constructor' }, `CDC_AUTH must be one or several of ${valid}, not "hmac,constructor"`],
    [{ CDC_AUTH: ',' }, `CDC_AUTH must be one or several of ${valid}, not ""`],
    [{ CDC_AUTH: 'hmac,hmac' }, 'CDC_AUTH must name each scheme once, not "hmac,hmac"'],
    [
      { CDC_AUTH: 'hmac,none' },
      'CDC_AUTH must be none without other schemes, if anybody may post, not "hmac,none"',
    ],
    [
      { CDC_AUTH: 'bearer', CDC_AUTH_ENCODING: 'hex' },
      'CDC_AUTH_ENCODING is for hmac, hmac-timestamp; with CDC_AUTH=bearer leave it out',
    ],
    [
      { CDC_AUTH: 'none', CDC_AUTH_HEADER: 'X' },
      'CDC_AUTH_HEADER is for hmac, hmac-timestamp, secret; with CDC_AUTH=none leave it out',
    ],
    [
      { CDC_AUTH_TOLERANCE_SECONDS: '5' },
      'CDC_AUTH_TOLERANCE_SECONDS is for hmac-timestamp, standard-webhooks; with CDC_AUTH=hmac leave it out',
    ],
    [
      { CDC_AUTH: 'standard-webhooks', CDC_AUTH_TIMESTAMP_HEADER: 'X' },
      'CDC_AUTH_TIMESTAMP_HEADER is for hmac-timestamp; with CDC_AUTH=standard-webhooks leave it out',
    ],
    [
      { CDC_AUTH: 'secret', CDC_AUTH_PREFIX: 'sha256=' },
      'CDC_AUTH_PREFIX is for hmac, hmac-timestamp; with CDC_AUTH=secret leave it out',
    ],
    [
      { CDC_AUTH: 'hmac,secret', CDC_AUTH_HEADER: 'X-Sig' },
      'CDC_AUTH_HEADER must name one header each for hmac, secret, not 1',
    ],
    [{ CDC_AUTH_HEADER: 'X Sig' }, 'CDC_AUTH_HEADER must name headers, not "X Sig"'],
    [{ CDC_AUTH_HEADER: ',' }, 'CDC_AUTH_HEADER must name one header each for hmac, not 0'],
    [
      { CDC_AUTH: 'hmac-timestamp', CDC_AUTH_TIMESTAMP_HEADER: 'X:' },
      'CDC_AUTH_TIMESTAMP_HEADER must name headers, not "X:"',
    ],
    [{ CDC_AUTH_ENCODING: 'base32' }, 'CDC_AUTH_ENCODING must be one of hex, base64, not "base32"'],
    [
      { CDC_AUTH: 'hmac-timestamp', CDC_AUTH_TOLERANCE_SECONDS: '0' },
      'CDC_AUTH_TOLERANCE_SECONDS must be >= 1, not "0"',
    ],
  ])('what is wrong in %j', (env, line) => {
    expect(complaints(env)).toEqual([
      'The configuration is wrong:',
      line,
      expect.stringContaining('tributary'),
    ])
  })
})

describe('docs/contracts.md', () => {
  const document = readFileSync(join(import.meta.dirname, '../../../docs/contracts.md'), 'utf8')

  it('has a row for every scheme, with its usual headers', () => {
    for (const standard of Object.values(AUTHENTICATIONS)) {
      const row = document.split('\n').find((line) => line.startsWith(`| \`${standard.scheme}\` |`))
      for (const [key, value] of Object.entries(standard)) {
        if (/header/i.test(key)) expect(row).toContain(`\`${value}\``)
      }
      expect(row).toBeDefined()
    }
  })

  it('has a row for every variable of a contract, and no other', () => {
    const rows = [...document.matchAll(/^\| `<CONTRACT>_(\w+)` \| .*\| .*\|.*\|$/gm)].map(
      ([, name]) => `CDC_${name}`,
    )
    const variables = Object.keys(VARIABLES).filter((name) => name.startsWith('CDC_') && name !== 'CDC_AUTH')
    expect(rows.sort()).toEqual(variables.sort())
  })

  it('gives an example that can be read', () => {
    const [, example = ''] = /```sh\n(VALIDATED_AUTH=[^`]+)```/.exec(document) ?? []
    const env = Object.fromEntries(
      example
        .trim()
        .split('\n')
        .map((line) => line.split('=')),
    )
    const { schemes } = accessOf(readConfig(env), [validated]).get(validated) ?? {}
    expect(schemes).toEqual([
      { ...validated.authentication, header: 'X-Acme-Signature' },
      AUTHENTICATIONS.secret,
      AUTHENTICATIONS.bearer,
    ])
  })
})
