import { describe, expect, it } from 'vitest'
import { ConfigError, type Environment, readConfig, required, VARIABLES } from '../../src/config.js'

/** The message of the ConfigError that something throws. */
function complaint(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
  throw new Error('nothing was thrown')
}
const mistakes = (env: Environment) => complaint(() => readConfig(env))

describe('readConfig', () => {
  it('needs nothing: every variable has a default or may be left out', () => {
    const config = readConfig({})
    expect(config).toMatchObject({ PORT: 8080, PARTITIONS: 1, LOG_LEVEL: 'info', CDC_AUTH: 'hmac' })
    expect(config.REDIS_URL).toBeUndefined()
    expect('REDIS_URL' in config).toBe(false)
  })

  it('reads numbers, texts and choices, and an empty variable as one that is not set', () => {
    const config = readConfig({
      PORT: '0',
      STREAM_PREFIX: '12',
      EMBEDDED_MONGODB: 'none',
      HOST: '',
      BATCH_LINGER_MS: '',
    })
    expect(config).toMatchObject({
      PORT: 0,
      STREAM_PREFIX: '12',
      EMBEDDED_MONGODB: 'none',
      HOST: '0.0.0.0',
      BATCH_LINGER_MS: 0,
    })
  })

  it('reads shares', () => {
    expect(readConfig({}).TRACE_SAMPLE_RATIO).toBe(0.01)
    expect(readConfig({ TRACE_SAMPLE_RATIO: '0.25' }).TRACE_SAMPLE_RATIO).toBe(0.25)
    expect(readConfig({ TRACE_SAMPLE_RATIO: '1' }).TRACE_SAMPLE_RATIO).toBe(1)
    for (const wrong of ['1.5', '-0.1', '5 %', '1e-2', '0x1', ' 0.5']) {
      expect(mistakes({ TRACE_SAMPLE_RATIO: wrong })).toContain('TRACE_SAMPLE_RATIO must be')
    }
  })

  it('names all mistakes at once, one a line, with the value', () => {
    const lines = mistakes({
      PORT: '70000',
      ADMIN_PORT: '-1',
      PARTITIONS: 'two',
      BATCH_MAX_EVENTS: '0',
      BATCH_LINGER_MS: '1.5',
      MAX_BODY_BYTES: '1e6',
      LEASE_MS: ' 1000',
      SHUTDOWN_TIMEOUT_MS: '0x100',
      MAX_CLOCK_SKEW_MS: '',
      LOG_LEVEL: 'loud',
      EMBEDDED_REDIS: 'docker',
      CDC_AUTH: 'off',
      BATCH_SIZE: '5',
    }).split('\n')
    expect(lines[0]).toBe('The configuration is wrong:')
    expect(lines.slice(1, -1).map((line) => line.trim())).toEqual([
      'PORT must be <= 65535, not "70000"',
      'ADMIN_PORT must be >= 0, not "-1"',
      'PARTITIONS must be integer, not "two"',
      'BATCH_MAX_EVENTS must be >= 1, not "0"',
      'BATCH_LINGER_MS must be integer, not "1.5"',
      'MAX_BODY_BYTES must be integer, not "1e6"',
      'LEASE_MS must be integer, not " 1000"',
      'SHUTDOWN_TIMEOUT_MS must be integer, not "0x100"',
      'LOG_LEVEL must be one of trace, debug, info, warn, error, fatal, not "loud"',
      'EMBEDDED_REDIS must be one of path, apt, not "docker"',
      'CDC_AUTH must be one or several of hmac, hmac-timestamp, standard-webhooks, secret, bearer, none, not "off"',
      'BATCH_SIZE is not a variable of Tributary',
    ])
    expect(lines.at(-1)).toContain('tributary config')
  })

  it('finds unknown variables with a prefix of ours, and leaves all others alone', () => {
    const env = { DATA_ACTION_SECRET: 's', CDC_TOKEN: 't', PATH: '/bin', REDIS_HOST: 'h', toString: 'x' }
    expect(mistakes(env)).toContain('DATA_ACTION_SECRET is not a variable')
    expect(mistakes(env)).toContain('CDC_TOKEN is not a variable')
    expect(mistakes(env)).not.toMatch(/PATH|REDIS_HOST|toString/)
  })

  it('keeps secrets to itself', () => {
    const secret = Object.entries(VARIABLES).filter(([, schema]) => 'secret' in schema)
    expect(secret.map(([name]) => name)).toEqual(
      expect.arrayContaining(['REDIS_URL', 'POSTGRES_URL', 'MONGODB_URL', 'CDC_SECRETS']),
    )
    expect(mistakes({ CDC_SECRETS: 'swordfish', REDIS_URL: 'redis://u:p@h', PORT: 'x' })).not.toMatch(
      /swordfish|u:p/,
    )
  })

  it('documents every variable', () => {
    for (const [name, schema] of Object.entries(VARIABLES)) {
      expect(schema, name).toHaveProperty('description', expect.stringMatching(/\w{3}/))
      const standard = 'default' in schema ? String(schema.default) : ''
      expect(() => readConfig({ [name]: standard }), name).not.toThrow()
    }
  })
})

describe('required', () => {
  it('gives the value, or says what is missing, what for and how it may look', () => {
    expect(required(readConfig({ REDIS_URL: 'redis://h' }), 'REDIS_URL')).toBe('redis://h')
    for (const name of ['REDIS_URL', 'POSTGRES_URL', 'MONGODB_URL'] as const) {
      const message = complaint(() => required(readConfig({}), name))
      expect(message).toMatch(new RegExp(`^${name} is not set \\(.{10,}\\)\\. For example: ${name}=\\w+://`))
    }
  })
})
