import * as crypto from 'node:crypto'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { INVALID } from '../../../../src/edge/auth/auth-error.js'
import { createAuthenticator } from '../../../../src/edge/auth/authenticator.js'
import { judge, METHODS } from '../../../support/authentication.js'

// The very functions, but counted: what time a check takes is what it calls, and with how many bytes.
vi.mock('node:crypto', async (load) => {
  const real = await load<typeof crypto>()
  return { ...real, createHmac: vi.fn(real.createHmac), timingSafeEqual: vi.fn(real.timingSafeEqual) }
})

const NOW = 1_795_339_800
const SECRETS = ['first', 'the second one, much longer', 'third']
const body = Buffer.from('{"id":"e-1"}')

describe.each(Object.entries(METHODS))('the work of %s', (name, { authentication, sign }) => {
  const own = createAuthenticator({ schemes: [authentication], secrets: SECRETS }, true, () => NOW * 1_000)
  beforeEach(() => {
    vi.clearAllMocks()
  })

  /** The keyed digests that a check made, and the lengths of what it compared. */
  function work(headers: Record<string, string>) {
    vi.clearAllMocks()
    const authError = judge(own, headers, body)
    const compared = vi
      .mocked(crypto.timingSafeEqual)
      .mock.calls.map(([one, other]) => [one.byteLength, other.byteLength])
    return { authError, digests: vi.mocked(crypto.createHmac).mock.calls.length, compared }
  }

  it('is the same whichever secret it is, and whether it is one at all', () => {
    const secrets = [...SECRETS, 'none of them', 'f', `${SECRETS[0]}!`, 'x'.repeat(1_000)]
    const all = secrets.map((secret) => work(sign(secret, body, NOW)))
    expect(all.map(({ authError }) => authError)).toEqual(
      secrets.map((s) => (SECRETS.includes(s) ? undefined : INVALID)),
    )
    const plain = name === 'secret' || name === 'bearer'
    for (const { digests, compared } of all) {
      expect(digests).toBe(plain ? 1 : SECRETS.length)
      expect(compared).toEqual(SECRETS.map(() => [32, 32]))
    }
  })

  it('is the same wherever the signature differs', () => {
    const right = Object.entries(sign('first', body, NOW))
    const [header = '', text = ''] = right.find(([key]) => /sig|secret|authorization/i.test(key)) ?? []
    // Not the last character of base64: it has bits that say nothing.
    const start = text.search(/[^=, ]{5,}=?$/)
    for (const at of [start, start + 2, text.length - 3]) {
      const changed = text.slice(0, at) + (text[at] === '0' ? '1' : '0') + text.slice(at + 1)
      const { authError, compared } = work({ ...Object.fromEntries(right), [header]: changed })
      expect(authError).toBe(INVALID)
      expect(compared).toEqual(SECRETS.map(() => [32, 32]))
    }
  })
})
