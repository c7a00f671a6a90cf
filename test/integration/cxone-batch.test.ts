import { metrics as api } from '@opentelemetry/api'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { MeterProvider } from '@opentelemetry/sdk-metrics'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type BatchUpdate, patchInteractions, type UpdateOutcome } from '../../src/cxone/batch.js'
import { AccessError, CxoneRefusal, CxoneTransient } from '../../src/cxone/errors.js'
import { observeCxone } from '../../src/cxone/telemetry.js'
import {
  BAD_GATEWAY,
  BROKEN,
  CONFLICT,
  type Fault,
  FORBIDDEN,
  GARBAGE,
  limited,
} from '../../src/dev/cxone/faults.js'
import { createMetrics } from '../../src/telemetry/metrics.js'
import { clientOf, failureOf, startCxone } from '../support/cxone.js'
import { samplesOf } from '../support/scrape.js'
import { recordTracing } from '../support/spans.js'

const never = new AbortController().signal
const BATCH = 'PATCH /api/v2/interactions/batch'
const updates = (...ids: string[]): BatchUpdate[] =>
  ids.map((interactionId) => ({ interactionId, attributes: { crmReferenceId: `crm-${interactionId}` } }))

/** Outcomes in short: `applied`, `transient`, `refused 404`. */
const short = (outcomes: readonly UpdateOutcome[]) =>
  outcomes.map((outcome) =>
    outcome instanceof CxoneRefusal
      ? `refused ${outcome.status}`
      : outcome === 'applied'
        ? outcome
        : 'transient',
  )

describe('a batch of updates', () => {
  it('is applied, whatever the ids are made of', async () => {
    const cxone = await startCxone()
    const ids = ['i-1', 'a/b c?d#e', '..', '%2F', 'ü😀', '\ud800']
    expect(short(await patchInteractions(clientOf(cxone), updates(...ids), never))).toEqual(
      ids.map(() => 'applied'),
    )
    expect([...cxone.interactions.attributes.keys()]).toEqual(ids.map((id) => id.toWellFormed()))
    expect(cxone.interactions.attributes.get('i-1')).toEqual({ crmReferenceId: 'crm-i-1' })
    expect(cxone.requests.at(-1)?.body).toMatchObject({
      requests: [
        { method: 'PATCH', path: '/api/v2/interactions/i-1', body: { attributes: {} } },
        {},
        {},
        {},
        {},
        {},
      ],
    })
  })

  it('has an outcome for each update, in their order', async () => {
    const cxone = await startCxone()
    const { interactions } = cxone
    interactions.refuse('gone', 404, 'There is no such interaction')
    interactions.refuse('forbidden', 403, 'Not yours')
    interactions.refuse('busy', 409, 'Locked')
    for (const status of [401, 408, 429, 500, 503]) interactions.refuse(String(status), status, 'Later')
    const ids = ['a', 'gone', '401', '408', 'forbidden', '429', '500', 'busy', '503', 'b']
    const outcomes = await patchInteractions(clientOf(cxone), updates(...ids), never)
    expect(short(outcomes)).toEqual([
      'applied',
      'refused 404',
      'transient',
      'transient',
      'refused 403',
      'transient',
      'transient',
      'refused 409',
      'transient',
      'applied',
    ])
    const [, gone] = outcomes
    expect(gone).toMatchObject({
      reason: 'refused_by_cxone',
      message: 'CXone answered 404 to this update: There is no such interaction',
    })
  })

  it('sends those again that lack a result', async () => {
    const cxone = await startCxone()
    cxone.misbehave(BATCH, {
      kind: 'altered',
      body: () => '{"results":[{"status":200},{"status":"200"},{},null]}',
    })
    const outcomes = await patchInteractions(clientOf(cxone), updates('a', 'b', 'c', 'd', 'e'), never)
    expect(short(outcomes)).toEqual(['applied', 'applied', 'transient', 'transient', 'transient'])
  })

  it.each(['{"results":[{"status":200},{"status":200}]}', '{"results":{}}', '{}', '[]', 'null', '""', ''])(
    'is unclear as a whole where the answer is %j',
    async (body) => {
      const cxone = await startCxone()
      cxone.misbehave(BATCH, { kind: 'altered', body: () => body })
      const failure = await failureOf(patchInteractions(clientOf(cxone), updates('a'), never))
      expect(failure).toBeInstanceOf(CxoneTransient)
      expect(failure).toMatchObject({ applied: 'unknown' })
    },
  )

  it.each<[string, Fault, 'before' | 'after' | 'not']>([
    ['500', BROKEN, 'not'],
    ['502 with HTML', BAD_GATEWAY, 'not'],
    ['429', limited('0.1'), 'not'],
    ['wrong JSON', GARBAGE, 'after'],
    ['a cut before it is applied', { kind: 'cut', applied: false, at: 'middle' }, 'before'],
    ['a cut after it is applied', { kind: 'cut', applied: true, at: 'middle' }, 'after'],
    ['a cut before the answer', { kind: 'cut', applied: true, at: 'start' }, 'after'],
    ['silence', { kind: 'hang' }, 'not'],
  ])('can be sent again after %s', async (_, fault, applied) => {
    const cxone = await startCxone()
    const client = clientOf(cxone, fault.kind === 'hang' ? { timeoutMs: 1_000 } : {})
    cxone.misbehave(BATCH, fault)
    const failure = await failureOf(patchInteractions(client, updates('a', 'b'), never))
    expect(failure).toBeInstanceOf(CxoneTransient)
    expect(cxone.interactions.updates).toHaveLength(applied === 'after' ? 2 : 0)
    expect(short(await patchInteractions(client, updates('a', 'b'), never))).toEqual(['applied', 'applied'])
    expect(cxone.interactions.attributes.size).toBe(2)
  })

  it('is refused as a whole with the words of CXone', async () => {
    const cxone = await startCxone()
    cxone.misbehave(BATCH, CONFLICT)
    const failure = await failureOf(patchInteractions(clientOf(cxone), updates('a'), never))
    expect(failure).toBeInstanceOf(CxoneRefusal)
    expect(failure).toMatchObject({ status: 409, reason: 'refused_by_cxone' })
    expect(failure.message).toContain(': It exists already')
  })

  it('blames no update where nothing is permitted, or the URL is wrong', async () => {
    const cxone = await startCxone({ scopes: ['interaction:read'] })
    const client = clientOf(cxone)
    const lacking = await failureOf(patchInteractions(client, updates('a', 'b'), never))
    expect(lacking).toBeInstanceOf(AccessError)
    expect(lacking.message).toContain(
      '403 to PATCH /api/v2/interactions/batch: The token lacks interaction:modify',
    )
    const wrong = clientOf(cxone, { apiUrl: `${cxone.url}/elsewhere` })
    const nowhere = await failureOf(patchInteractions(wrong, updates('a'), never))
    expect(nowhere).toBeInstanceOf(AccessError)
    expect(nowhere.message).toMatch(/404 to PATCH .* Check CXONE_API_URL: http.*elsewhere$/)

    const permitted = await startCxone()
    for (const id of ['a', 'b']) permitted.interactions.refuse(id, 403, 'Not yours')
    const all = await failureOf(patchInteractions(clientOf(permitted), updates('a', 'b'), never))
    expect(all).toBeInstanceOf(AccessError)
    expect(all.message).toBe('CXone permits none of 2 updates: 403: Not yours')
    permitted.misbehave(BATCH, FORBIDDEN)
    expect(await failureOf(patchInteractions(clientOf(permitted), updates('c'), never))).toBeInstanceOf(
      AccessError,
    )
  })
})

describe('the telemetry of a request', () => {
  it('has its outcome, and no body, token, secret or id', async () => {
    const { tracing, spans } = recordTracing()
    const metrics = createMetrics()
    const provider = new MeterProvider({ resource: resourceFromAttributes({}), readers: metrics.readers })
    api.setGlobalMeterProvider(provider)
    onTestFinished(() => api.disable())
    const cxone = await startCxone()
    const client = clientOf(cxone, { observe: observeCxone(metrics, tracing), timeoutMs: 1_000 })
    const root = tracing.startSpan('batch', 'internal')
    const send = (parent?: string) =>
      patchInteractions(client, updates('private-id'), never, parent).catch(() => undefined)
    await send(root.traceparent)
    cxone.misbehave(BATCH, { kind: 'answer', status: 500, body: '{"message":"private words"}' })
    await send(root.traceparent)
    cxone.misbehave(BATCH, { kind: 'cut', applied: false, at: 'start' })
    await send(root.traceparent)
    await send()

    const text = await metrics.text()
    const counts = samplesOf(text)
      .filter(({ name }) => name === 'http_client_request_duration_seconds_count')
      .map(({ labels, value }) => [
        labels.url_template,
        labels.http_response_status_code ?? labels.error_type,
        value,
      ])
    expect(counts).toEqual([
      ['/oauth2/token', '200', 1],
      ['/api/v2/interactions/batch', '200', 2],
      ['/api/v2/interactions/batch', '500', 1],
      ['/api/v2/interactions/batch', 'ECONNRESET', 1],
    ])
    const finished = spans.getFinishedSpans()
    expect(
      finished.map(({ name, attributes, status }) => [name, status.code, attributes['error.type']]),
    ).toEqual([
      ['PATCH /api/v2/interactions/batch', 0, undefined],
      ['PATCH /api/v2/interactions/batch', 2, '500'],
      ['PATCH /api/v2/interactions/batch', 2, 'ECONNRESET'],
    ])
    for (const span of finished) expect(span.parentSpanContext?.spanId).toBe(root.context?.spanId)
    const all =
      text + JSON.stringify(finished.map(({ attributes, status, events }) => [attributes, status, events]))
    expect(all).not.toMatch(/private|sword|fish|crm-|Bearer/)
    await provider.shutdown()
  })
})
