import { describe, expect, it } from 'vitest'
import { CONTRACTS } from '../../../schemas/index.js'
import { fieldsOf, type Registered, type Wanted, wantedBy } from '../../../src/cxone/registration/kinds.js'
import { planStep } from '../../../src/cxone/registration/plan.js'

const WANTED: Wanted = {
  kind: 'webhook',
  name: 'tributary-cdc',
  url: 'https://hooks.example.com/webhook/cxone',
  events: ['contact.created', 'contact.updated'],
}

function registered(id: string, fields: Readonly<Record<string, unknown>> = {}): Registered {
  const all = { id, ...fieldsOf(WANTED), ...fields }
  const { name, targetUrl: url } = all as unknown as { name: string; targetUrl: string }
  return { kind: 'webhook', id, name, url, fields: all }
}

describe('what the contracts need', () => {
  it('is one registration each, at the public URL', () => {
    const wanted = wantedBy(CONTRACTS, 'https://hooks.example.com/cx//')
    expect(wanted.map(({ kind, name, url }) => [kind, name, url])).toEqual([
      ['webhook', 'tributary-cdc', 'https://hooks.example.com/cx/webhook/cxone'],
      ['data-action', 'tributary-contact-sync', 'https://hooks.example.com/cx/webhook'],
      ['data-action', 'tributary-data-action', 'https://hooks.example.com/cx/webhook/cxone-dataaction'],
      [
        'data-action',
        'tributary-interaction-update',
        'https://hooks.example.com/cx/webhook/cxone-interactions',
      ],
      ['data-action', 'tributary-validated', 'https://hooks.example.com/cx/webhooks/cxone-data-actions'],
    ])
    expect(wanted.map(fieldsOf).slice(0, 2)).toEqual([
      {
        name: 'tributary-cdc',
        targetUrl: 'https://hooks.example.com/cx/webhook/cxone',
        events: ['contact', 'interaction'].flatMap((kind) =>
          ['created', 'updated', 'deleted'].map((verb) => `${kind}.${verb}`),
        ),
        active: true,
      },
      {
        name: 'tributary-contact-sync',
        description: 'Whole contacts, many a request',
        endpointUrl: 'https://hooks.example.com/cx/webhook',
        format: 'json',
      },
    ])
  })
})

describe('the plan', () => {
  it('creates what is not there', () => {
    const other = registered('1', { name: 'crm', targetUrl: 'https://elsewhere.example.com' })
    expect(planStep(WANTED, [other])).toMatchObject({ action: 'create', registered: undefined, others: [] })
  })

  it('leaves what is as wanted, whatever the order of its events, and whatever else it has', () => {
    const same = registered('1', { events: ['contact.updated', 'contact.created'], secret: 's' })
    expect(planStep(WANTED, [same])).toMatchObject({ action: 'leave', registered: same, differences: [] })
  })

  it.each([
    [{ targetUrl: 'https://old.example.com' }, 'targetUrl', 'https://old.example.com', WANTED.url],
    [{ events: ['contact.created'] }, 'events', ['contact.created'], WANTED.events],
    [{ events: undefined }, 'events', undefined, WANTED.events],
    [{ active: false }, 'active', false, true],
    [{ name: 'by hand' }, 'name', 'by hand', WANTED.name],
  ])('updates what differs: %j', (fields, field, from, to) => {
    const one = registered('1', fields)
    expect(planStep(WANTED, [one])).toMatchObject({
      action: 'update',
      registered: one,
      differences: [{ field, from, to }],
    })
  })

  it('takes the one with the name and the URL, and names the others', () => {
    const [exact, named, placed] = [
      registered('1'),
      registered('2', { targetUrl: 'https://old.example.com' }),
      registered('3', { name: 'by hand', targetUrl: `${WANTED.url}/` }),
    ]
    expect(planStep(WANTED, [placed, named, exact])).toMatchObject({
      action: 'leave',
      registered: exact,
      others: [named, placed],
    })
    expect(planStep(WANTED, [placed, named])).toMatchObject({ action: 'update', registered: named })
  })
})
