import { describe, expect, it } from 'vitest'
import { interactionUpdate } from '../../../schemas/interaction-update.js'
import { toAttributesUpdate } from '../../../src/cxone/interactions.js'

const BASE = { interactionId: 'i-1', contactId: 'c-1', timestamp: '2026-11-22T09:30:00Z' }

describe('an interaction update', () => {
  it('maps every attribute to its name in CXone', () => {
    const event = {
      ...BASE,
      legacyCrmId: 'CRM-7',
      sourceChannel: 'web chat',
      attributes: { queueName: 'Billing', wrapUpCode: 'RESOLVED', agentName: 'Ada', other: 'not ours' },
    }
    expect(toAttributesUpdate(event)).toEqual({
      interactionId: 'i-1',
      idempotencyKey: 'i-1_2026-11-22T09:30:00Z',
      attributes: {
        crmReferenceId: 'CRM-7',
        originChannel: 'WEB CHAT',
        routingQueue: 'Billing',
        dispositionCode: 'RESOLVED',
        servingAgentName: 'Ada',
      },
    })
  })

  it.each([
    {},
    { legacyCrmId: null, sourceChannel: null, attributes: null },
    { legacyCrmId: '', sourceChannel: '', attributes: {} },
    { attributes: { queueName: '', wrapUpCode: null, agentName: [] } },
    { attributes: { unknown: 'x' } },
    { attributes: JSON.parse('{"__proto__":{"queueName":"Billing"}}') },
  ])('has nothing to write of %j', (more) => {
    expect(toAttributesUpdate({ ...BASE, ...more }).attributes).toEqual({})
  })

  it('keeps values that only look empty', () => {
    const attributes = { queueName: 0, wrapUpCode: false, agentName: [''] }
    expect(toAttributesUpdate({ ...BASE, attributes }).attributes).toEqual({
      routingQueue: 0,
      dispositionCode: false,
      servingAgentName: [''],
    })
  })

  it('takes no attribute from what objects inherit', () => {
    const attributes: Record<string, unknown> = Object.create({ queueName: 'inherited' })
    expect(toAttributesUpdate({ ...BASE, attributes }).attributes).toEqual({})
  })
})

describe('the shape of an interaction update', () => {
  it.each([
    {},
    { attributes: {} },
    { attributes: null },
    { legacyCrmId: null },
    { sourceChannel: 'x', more: 1 },
  ])('takes %j', (more) => {
    expect(interactionUpdate.body.errors({ ...BASE, ...more })).toEqual([])
  })

  it.each([
    [{ interactionId: undefined }, '/interactionId must be string'],
    [{ contactId: 7 }, '/contactId must be string'],
    [{ timestamp: '2026-02-30T00:00:00Z' }, '/timestamp must match format "date-time"'],
    [{ attributes: [] }, '/attributes must be either object or null'],
    [{ attributes: 'x' }, '/attributes must be either object or null'],
    [{ legacyCrmId: 7 }, '/legacyCrmId must be either string or null'],
    [{ sourceChannel: ['web'] }, '/sourceChannel must be either string or null'],
  ])('does not take %j', (more, message) => {
    const [error] = interactionUpdate.body.errors({ ...BASE, ...more })
    expect(`/${error?.loc.join('/')} ${error?.msg}`).toBe(message)
  })

  it('names what is missing', () => {
    expect(interactionUpdate.body.errors({}).map(({ loc, type }) => [loc, type])).toEqual([
      [['interactionId'], 'required'],
      [['contactId'], 'required'],
      [['timestamp'], 'required'],
    ])
  })
})
