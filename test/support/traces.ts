import { CONTRACTS } from '../../schemas/index.js'
import type { Span } from './otlp-messages.js'

/** All spans of one trace, or what came of them. */
export interface Trace {
  readonly id: string
  readonly spans: readonly Span[]
}

/** The traces of requests: a batch of a worker is a trace of its own. */
export function requestTraces(spans: readonly Span[]): Trace[] {
  const byTrace = new Map<string, Span[]>()
  for (const span of spans) byTrace.set(span.traceId, [...(byTrace.get(span.traceId) ?? []), span])
  return [...byTrace]
    .map(([id, own]) => ({ id, spans: own }))
    .filter((trace) => trace.spans.some(({ kind }) => kind === 'SERVER'))
}

/** Spans whose parent has not come. */
export function orphans(spans: readonly Span[]): Span[] {
  const known = new Set(spans.map(spanKey))
  return spans.filter(({ traceId, parentId }) => parentId !== '' && !known.has(`${traceId}/${parentId}`))
}

/** Links, by the names of their spans, that lead to no span that has come. */
export function loose(spans: readonly Span[]): string[] {
  const known = new Set(spans.map(spanKey))
  return spans.flatMap(({ name, links }) => links.filter((link) => !known.has(spanKey(link))).map(() => name))
}

function spanKey({ traceId, spanId }: { readonly traceId: string; readonly spanId: string }): string {
  return `${traceId}/${spanId}`
}

/** Where the log keeps the request of a trace, as the sender was told: `<partition>/<entry id>`; empty if nowhere. */
export function entryOf({ spans }: Trace): string {
  const server = spans.find(({ kind }) => kind === 'SERVER')
  const append = spans.find(({ kind, parentId }) => kind === 'PRODUCER' && parentId === server?.spanId)
  return String(append?.attributes['messaging.message.id'] ?? '')
}

/**
 * What an accepted event's trace lacks: SERVER, PRODUCER below it, and below that for each sink one `process`, with
 * what it did with the store and how it settled the entry. A sink that its contract does not feed leaves no span.
 * @param sinks those whose workers run
 */
export function gaps({ spans }: Trace, sinks: readonly string[]): string[] {
  const below = (parent: Span, what: (span: Span) => boolean) =>
    spans.filter((span) => span.parentId === parent.spanId && what(span))
  const [server, ...otherServers] = spans.filter(({ kind }) => kind === 'SERVER')
  if (!server || otherServers.length > 0 || server.parentId !== '') return ['not one root SERVER span']
  const [producer, ...others] = below(server, ({ kind }) => kind === 'PRODUCER')
  if (!producer || others.length > 0) return ['not one PRODUCER span below SERVER']
  const source = server.attributes['cxone.source']
  const fed = CONTRACTS.find(({ name }) => name === source)?.sinks ?? []
  return sinks
    .filter((sink) => fed.some((one) => one === sink))
    .flatMap((sink) => {
      const work = below(
        producer,
        ({ kind, attributes }) => kind === 'CONSUMER' && attributes['messaging.consumer.group.name'] === sink,
      )
      if (work.length === 0) return [`${sink}: no process span`]
      const settled = work.flatMap((one) =>
        below(one, ({ name }) => /^(xack|xadd) .*:(events|dead)$/.test(name)),
      )
      const buried = settled.some(({ name }) => name.startsWith('xadd'))
      const stored = work.flatMap((one) =>
        below(one, ({ name }) => /^(COPY|find|bulkWrite|xadd .*:feed)/.test(name)),
      )
      return [
        ...(settled.length === 0 ? [`${sink}: not settled`] : []),
        ...(stored.length === 0 && !buried ? [`${sink}: nothing stored`] : []),
      ]
    })
}
