import { describe, expect, it } from 'vitest'
import type { Authentication } from '../../../../schemas/authentication.js'
import { INVALID } from '../../../../src/edge/auth/auth-error.js'
import { createAuthenticator } from '../../../../src/edge/auth/authenticator.js'
import { judge, METHODS } from '../../../support/authentication.js'

/** What is said of a request that comes at some time, in Unix seconds. */
function at(seconds: number, scheme: Authentication, secret: string) {
  const own = createAuthenticator({ schemes: [scheme], secrets: [secret] }, true, () => seconds * 1_000)
  return (headers: Record<string, string>, body: string) => judge(own, headers, Buffer.from(body))
}

describe('a published signature', () => {
  it('of RFC 4231, test case 2, is taken, in either case', () => {
    const scheme: Authentication = {
      scheme: 'hmac',
      header: 'X-CXone-Signature',
      encoding: 'hex',
      prefix: '',
    }
    const published = '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843'
    for (const signature of [published, published.toUpperCase()]) {
      const headers = { 'X-CXone-Signature': signature }
      expect(at(0, scheme, 'Jefe')(headers, 'what do ya want for nothing?')).toBeUndefined()
    }
  })

  // https://github.com/standard-webhooks/standard-webhooks: the vector that its libraries test themselves by.
  const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
  const RIGHT = 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
  const HEADERS = {
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': RIGHT,
  }
  const standard: Authentication = { scheme: 'standard-webhooks', toleranceSeconds: 300 }
  const judged = at(1_614_265_330, standard, SECRET)

  it('of Standard Webhooks is taken', () => {
    expect(judged(HEADERS, '{"test": 2432232314}')).toBeUndefined()
    expect(judged(HEADERS, '{"test": 2432232315}')).toBe(INVALID)
    expect(judged({ ...HEADERS, 'webhook-id': 'msg_2' }, '{"test": 2432232314}')).toBe(INVALID)
    expect(at(1_614_265_330, standard, SECRET.slice(6))(HEADERS, '{"test": 2432232314}')).toBe(INVALID)
  })

  it.each([
    ['among others', `v1,bm9wZQ== v1a,${RIGHT.slice(3)} v1,${'A'.repeat(43)}= ${RIGHT}`, undefined],
    ['before others', `${RIGHT} v2,x`, undefined],
    ['between too many spaces', `  ${RIGHT}  `, undefined],
    ['of another version', `v1a,${RIGHT.slice(3)} v2,${RIGHT.slice(3)}`, INVALID],
    ['without its version', RIGHT.slice(3), INVALID],
    ['with a comma between', `v1,bm9wZQ==,${RIGHT}`, INVALID],
  ])('of Standard Webhooks in a list, %s', (_, signatures, expected) => {
    expect(judged({ ...HEADERS, 'webhook-signature': signatures }, '{"test": 2432232314}')).toBe(expected)
  })
})

describe.each(['hmac-timestamp', 'standard-webhooks'])('the time of %s', (name) => {
  const NOW = 1_795_339_800
  const { authentication, sign } = METHODS[name] ??
    METHODS.hmac ?? { authentication: { scheme: 'none' }, sign: () => ({}) }
  const judged = at(NOW, authentication, 's')
  const header = name === 'hmac-timestamp' ? 'X-Nexus-Timestamp' : 'webhook-timestamp'
  const body = Buffer.from('{}')

  it.each([0, 1, -1, 300, -300])('may be %i s from now', (off) => {
    expect(judged(sign('s', body, NOW + off), '{}')).toBeUndefined()
  })

  it.each([301, -301, -86_400, -NOW])(
    'may not be %i s from now: the answer says so if the signature is right',
    (off) => {
      expect(judged(sign('s', body, NOW + off), '{}')).toEqual({
        code: 'invalid_signature',
        message: `The signature is right, but ${header} is more than 300 s from now: it must be Unix seconds; check the clock of the sender`,
      })
      expect(judged(sign('other', body, NOW + off), '{}')).toBe(INVALID)
    },
  )

  it('is signed: a sender cannot make an old request look new', () => {
    expect(judged({ ...sign('s', body, NOW - 301), [header]: String(NOW) }, '{}')).toBe(INVALID)
  })

  it('is in seconds: of milliseconds the answer says that they are far away', () => {
    const authError = judged(sign('s', body, NOW * 1_000), '{}')
    expect(authError?.message).toMatch(/is right, but .* is more than 300 s from now.*Unix seconds/)
  })

  it.each([
    `${NOW}.0`,
    `+${NOW}`,
    ` ${NOW}`,
    '0x6b0a1b58',
    '1e9',
    'now',
    '2026-11-22T09:30:00Z',
    '-1',
    '9'.repeat(20),
  ])('is a whole number and nothing else: %s', (time) => {
    expect(judged(sign('s', body, time), '{}')).toBe(INVALID)
  })
})
