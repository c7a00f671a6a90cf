import { describe, expect, test } from 'vitest'
import { dataAction } from '../../../../schemas/data-action.js'
import { headersOf, lifetimeSeconds, openContracts } from '../../../../src/dev/traffic/signing.js'
import { createAuthenticator } from '../../../../src/edge/auth/authenticator.js'
import { judge, METHODS } from '../../../support/authentication.js'

const NOW = Date.parse('2026-11-22T09:30:00.900Z')
const body = Buffer.from('{"id":"1","type":"t"}')

describe.each(Object.entries(METHODS))('samples signed by %s', (_, { authentication, sign }) => {
  const access = { schemes: [authentication], secrets: ['whsec_c2VjcmV0LWtleQ==', 'old'] }
  const senders = new Map([[dataAction, access]])
  const edge = createAuthenticator(access, true, () => NOW)
  const headers = (signature: 'right' | 'wrong' | 'missing', now = NOW) =>
    headersOf({ contract: dataAction, body, signature }, senders, now)

  test('are taken by the edge, as what another sender signs is', () => {
    const { 'Content-Type': type, ...rest } = headers('right')
    expect(type).toBe('application/json')
    expect(judge(edge, rest, body)).toBeUndefined()
    const other = sign('whsec_c2VjcmV0LWtleQ==', body, Math.floor(NOW / 1_000))
    expect(Object.keys(rest)).toEqual(Object.keys(other))
    if (!('webhook-id' in rest)) expect(rest).toEqual(other)
  })

  test('wrongly, or not at all, are refused', () => {
    expect(judge(edge, headers('wrong'), body)?.code).toBe('invalid_signature')
    expect(judge(edge, headers('missing'), body)?.code).toBe('missing_signature')
    expect(headers('missing')).toEqual({ 'Content-Type': 'application/json' })
  })

  test('are good for as long as is said', () => {
    const lifetime = lifetimeSeconds(access)
    const old = judge(edge, headers('right', NOW - 301_000), body)
    expect([lifetime, old?.code]).toEqual(
      'toleranceSeconds' in authentication ? [300, 'invalid_signature'] : [undefined, undefined],
    )
  })

  test('have the same id whenever they are sent', () => {
    expect(headers('right')['webhook-id']).toBe(headers('right', NOW + 60_000)['webhook-id'])
  })
})

test('samples of several schemes are signed by the first', () => {
  const schemes = [METHODS.bearer?.authentication ?? [], METHODS.hmac?.authentication ?? []].flat()
  const senders = new Map([[dataAction, { schemes, secrets: ['s'] }]])
  expect(headersOf({ contract: dataAction, body, signature: 'right' }, senders)).toEqual({
    'Content-Type': 'application/json',
    Authorization: 'Bearer s',
  })
})

test('samples are not signed where anybody may post', () => {
  const senders = new Map([[dataAction, { schemes: [{ scheme: 'none' } as const], secrets: ['s'] }]])
  for (const all of [senders, new Map()]) {
    const headers = headersOf({ contract: dataAction, body, signature: 'right' }, all)
    expect(headers).toEqual({ 'Content-Type': 'application/json' })
  }
  expect(openContracts(senders)).toEqual(['data-action'])
  expect(lifetimeSeconds(senders.get(dataAction))).toBeUndefined()
})
