import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Authentication } from '../../../../schemas/authentication.js'
import { INVALID } from '../../../../src/edge/auth/auth-error.js'
import { createAuthenticator } from '../../../../src/edge/auth/authenticator.js'
import { judge, METHODS, type Method, SIGNING } from '../../../support/authentication.js'

const NOW = 1_795_339_800
const body = Buffer.from('{"id":"e-1","type":"contact.created","name":"Zoë"}')
const all = Object.entries(METHODS)

/** An authenticator of some schemes, at {@link NOW}. */
function authenticator(
  methods: readonly Method[],
  secrets: readonly string[],
  reportsMissingSignature = true,
) {
  const schemes = methods.map(({ authentication }) => authentication)
  return createAuthenticator({ schemes, secrets }, reportsMissingSignature, () => NOW * 1_000)
}

describe.each(all)('%s', (_, method) => {
  const SECRETS = ['old', 'new one', 'whsec_c2VjcmV0LWtleQ==', 'a much longer secret than the others are']

  it('takes every active secret, and no other', () => {
    const own = authenticator([method], SECRETS)
    for (const secret of SECRETS) expect(judge(own, method.sign(secret, body, NOW), body)).toBeUndefined()
    for (const secret of ['older', 'ol', 'OLD', 'old,new one', 'x']) {
      expect(judge(own, method.sign(secret, body, NOW), body)).toBe(INVALID)
    }
  })

  it('does not take a secret that is no longer active', () => {
    const signed = method.sign('old', body, NOW)
    expect(judge(authenticator([method], ['old', 'new']), signed, body)).toBeUndefined()
    expect(judge(authenticator([method], ['new']), signed, body)).toBe(INVALID)
  })

  it('takes nothing where there is no secret', () => {
    const none = authenticator([method], [])
    for (const secret of ['', 'x', 'undefined']) {
      expect(judge(none, method.sign(secret, body, NOW), body)).toBeDefined()
    }
  })

  it('names each header that is missing or empty', () => {
    const own = authenticator([method], ['s'])
    const signed = method.sign('s', body, NOW)
    for (const header of Object.keys(signed)) {
      const { [header]: _, ...rest } = signed
      for (const given of [rest, { ...signed, [header]: '' }]) {
        expect(judge(own, given, body)).toMatchObject({
          code: 'missing_signature',
          message: `Missing ${header} header`,
        })
      }
    }
  })

  it('answers a missing signature like a wrong one where the contract wants it so', () => {
    const discreet = authenticator([method], ['s'], false)
    expect(judge(discreet, {}, body)).toBe(INVALID)
    expect(judge(discreet, method.sign('t', body, NOW), body)).toBe(INVALID)
    expect(judge(discreet, method.sign('s', body, NOW), body)).toBeUndefined()
  })

  it('refuses what differs in a bit of any header', () => {
    const own = authenticator([method], ['other', 's'])
    const signed = Object.entries(method.sign('s', body, NOW))
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.nat(6), (which, at, bit) => {
        const [name, value] = signed[which % signed.length] ?? ['', '']
        const place = at % value.length
        const changed = String.fromCharCode(value.charCodeAt(place) ^ (1 << bit))
        const given = value.slice(0, place) + changed + value.slice(place + 1)
        fc.pre(!isSame(method.authentication, name, value, given))
        expect(judge(own, { ...Object.fromEntries(signed), [name]: given }, body)).toBe(INVALID)
      }),
      { numRuns: 300 },
    )
  })
})

/** Whether two texts of a header say the same: hex and `Bearer` know no case, the last character of base64 has bits to spare. */
function isSame({ scheme }: Authentication, header: string, one: string, other: string): boolean {
  if (scheme === 'bearer') return /^bearer +s$/i.test(other)
  if (header === 'X-CXone-Webhook-Secret') return false
  const bytes = (text: string) =>
    /^(sha256=)?[\da-f]{64}$/i.test(text) && text.replace(/[\da-f]{64}$/i, (hex) => hex.toLowerCase())
  const decoded = (text: string) =>
    /^(v1,)?[\w+/-]{43}=$/.test(text) &&
    text.slice(0, -44) + Buffer.from(text.slice(-44), 'base64').toString('hex')
  return (
    (bytes(one) && bytes(one) === bytes(other)) || (decoded(one) && decoded(one) === decoded(other)) || false
  )
}

describe.each(SIGNING)('%s', (_, method) => {
  it('refuses what differs in a bit of the body', () => {
    const own = authenticator([method], ['other', 's'])
    const content = fc.uint8Array({ minLength: 1, maxLength: 200 })
    fc.assert(
      fc.property(content, fc.nat(), (bytes, at) => {
        const sent = Buffer.from(bytes)
        const signed = method.sign('s', sent, NOW)
        expect(judge(own, signed, sent)).toBeUndefined()
        const bit = at % (sent.length * 8)
        sent.writeUInt8(sent.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
        expect(judge(own, signed, sent)).toBe(INVALID)
      }),
    )
  })

  it('refuses the signature of another length, in another encoding, with or without a prefix', () => {
    const own = authenticator([method], ['s'])
    const signed = method.sign('s', body, NOW)
    const [header = '', text = ''] = Object.entries(signed).find(([name]) => /sig/i.test(name)) ?? []
    const bare = text.replace(/^.*[=,](?=.{43,}$)/, '')
    const digest = Buffer.from(bare, bare.length === 64 ? 'hex' : 'base64')
    const prefix = text.slice(0, text.length - bare.length)
    const wrong = [
      prefix + digest.toString(bare.length === 64 ? 'base64' : 'hex'),
      prefix + digest.subarray(0, 31).toString('base64'),
      prefix + digest.subarray(0, 31).toString('hex'),
      prefix + Buffer.concat([digest, Buffer.of(0)]).toString('base64'),
      prefix + Buffer.concat([digest, Buffer.of(0)]).toString('hex'),
      ...[
        `${text}a`,
        `${text}%`,
        `${text}==`,
        `a${text}`,
        `${prefix}=${bare}`,
        '%'.repeat(text.length),
        's',
        '0',
      ],
      ...(prefix ? [bare, prefix, `${prefix.toUpperCase()}${bare}`] : [`sha256=${bare}`]),
      `${text}, ${text}x`,
      text.repeat(500),
    ]
    for (const given of wrong) expect(judge(own, { ...signed, [header]: given }, body), given).toBe(INVALID)
  })
})

describe('several schemes', () => {
  const pick = (...names: readonly string[]) => names.flatMap((name) => METHODS[name] ?? [])
  const [hmac, secret, bearer] = pick('hmac', 'secret', 'bearer')
  const three = authenticator(pick('hmac', 'secret', 'bearer'), ['s', 't'])

  it('are satisfied by any of them, whatever else is sent', () => {
    for (const method of pick('hmac', 'secret', 'bearer')) {
      expect(judge(three, method.sign('t', body, NOW), body)).toBeUndefined()
    }
    const wrong = { ...secret?.sign('x', body, NOW), ...bearer?.sign('y', body, NOW) }
    expect(judge(three, { ...wrong, ...hmac?.sign('s', body, NOW) }, body)).toBeUndefined()
    expect(judge(three, wrong, body)).toBe(INVALID)
  })

  it('name all headers where none is sent, and blame what is sent else', () => {
    expect(judge(three, {}, body)?.message).toBe(
      'Missing X-Nice-Webhook-Signature or X-CXone-Webhook-Secret or Authorization header',
    )
    expect(judge(three, { authorization: 'Bearer x' }, body)).toBe(INVALID)
    const late = authenticator(pick('secret', 'hmac-timestamp'), ['s'])
    const signed = METHODS['hmac-timestamp']?.sign('s', body, NOW - 301) ?? {}
    expect(judge(late, signed, body)?.message).toContain('more than 300 s from now')
  })

  it('may share a header', () => {
    const same: Authentication = { scheme: 'secret', header: 'x-nice-webhook-signature' }
    const access = { schemes: [...pick('hmac').map((one) => one.authentication), same], secrets: ['s'] }
    const shared = createAuthenticator(access, true)
    expect(shared.headers).toEqual(['x-nice-webhook-signature'])
    for (const value of ['s', hmac?.sign('s', body, NOW)['X-Nice-Webhook-Signature'] ?? '']) {
      expect(judge(shared, { 'X-Nice-Webhook-Signature': value }, body)).toBeUndefined()
    }
  })

  it('that are none at all accept no request', () => {
    expect(judge(createAuthenticator({ schemes: [], secrets: ['s'] }, true), {}, body)).toBeDefined()
  })
})

describe('none', () => {
  it('lets anybody in, and looks at no header', () => {
    const open = createAuthenticator({ schemes: [{ scheme: 'none' }], secrets: [] }, true)
    expect(open.headers).toEqual([])
    expect(judge(open, {}, body)).toBeUndefined()
  })
})
