import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Signature } from '../../schemas/contract.js'
import { createAuthenticator } from '../../src/edge/auth.js'

const BASE64: Signature = { header: 'X-Nice-Webhook-Signature', encoding: 'base64' }
const HEX: Signature = { header: 'X-CXone-Signature', encoding: 'hex' }
const body = Buffer.from('{"id":"e-1","type":"contact.created","name":"Zoë"}')

function digest(secret: string, content: Buffer = body): Buffer {
  return createHmac('sha256', secret).update(content).digest()
}

describe('a signature', () => {
  it.each([BASE64, HEX])('that one of the active secrets made is accepted ($encoding)', (scheme) => {
    const authenticate = createAuthenticator(scheme, ['old', 'new', 'next'])
    for (const secret of ['old', 'new', 'next']) {
      expect(authenticate(digest(secret).toString(scheme.encoding), body)).toBeUndefined()
    }
  })

  it('is the published one of RFC 4231, test case 2', () => {
    const authenticate = createAuthenticator(HEX, ['Jefe'])
    const published = '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843'
    expect(authenticate(published, Buffer.from('what do ya want for nothing?'))).toBeUndefined()
    expect(authenticate(published.toUpperCase(), Buffer.from('what do ya want for nothing?'))).toBeUndefined()
  })

  it('of a secret that is not active any more is refused', () => {
    const authenticate = createAuthenticator(BASE64, ['new'])
    expect(authenticate(digest('old').toString('base64'), body)).toBe('invalid_signature')
  })

  it('that is missing is told from a wrong one', () => {
    expect(createAuthenticator(BASE64, ['s'])('', body)).toBe('missing_signature')
  })

  it.each([
    ['too short', digest('s').subarray(0, 31).toString('base64')],
    ['too long', Buffer.concat([digest('s'), Buffer.of(0)]).toString('base64')],
    ['hex in place of base64', digest('s').toString('hex')],
    ['with a prefix', `sha256=${digest('s').toString('base64')}`],
    ['no base64 at all', '%%%%'],
    ['the secret itself', 's'],
  ])('that is %s is refused', (_, signature) => {
    expect(createAuthenticator(BASE64, ['s'])(signature, body)).toBe('invalid_signature')
  })

  it('in base64 is refused where hex is agreed', () => {
    expect(createAuthenticator(HEX, ['s'])(digest('s').toString('base64'), body)).toBe('invalid_signature')
  })

  it('is not needed where configuration says that anybody may post', () => {
    expect(createAuthenticator(BASE64, undefined)('', body)).toBeUndefined()
  })

  it('is never accepted where the list of secrets is empty', () => {
    expect(createAuthenticator(BASE64, [])(digest('').toString('base64'), body)).toBe('invalid_signature')
  })

  it('of a body with one bit flipped, or one bit of it flipped, is refused', () => {
    const authenticate = createAuthenticator(BASE64, ['other', 's'])
    const content = fc.uint8Array({ minLength: 1, maxLength: 200 })
    fc.assert(
      fc.property(content, fc.nat(), fc.boolean(), (bytes, at, inBody) => {
        const sent = Buffer.from(bytes)
        const signature = digest('s', sent)
        expect(authenticate(signature.toString('base64'), sent)).toBeUndefined()
        flip(inBody ? sent : signature, at)
        expect(authenticate(signature.toString('base64'), sent)).toBe('invalid_signature')
      }),
    )
  })
})

function flip(bytes: Buffer, at: number): void {
  const bit = at % (bytes.length * 8)
  bytes.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
}
