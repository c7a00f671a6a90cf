import { CONTRACTS } from '../../schemas/index.js'
import type { Span } from './otlp-messages.js'

/** All spans of one trace, or what came of them. */
export interface Trace {
  readonly id: string
  readonly spans: readonly Span[]
}

/** The traces of requests: a batch of a worker is a trace of its own. */
export function requestTraces(spans: readonly Span[]): Trace[] {
  return [...byTrace(spans)]
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
 * What an accepted event's trace lacks: SERVER, PRODUCER below it, and below that for each sink one `process` that was
 * committed or dead-lettered, with a link to a batch whose trace has the commands. A sink that its contract does not
 * feed leaves no span.
 * @param sinks those whose workers run
 * @param all the spans that have come, of batches too
 */
export function gaps(
  { spans }: Trace,
  sinks: readonly string[],
  all: ReadonlyMap<string, readonly Span[]>,
): string[] {
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
      const commands = work.flatMap(({ links }) =>
        links.flatMap(({ traceId }) => all.get(traceId) ?? []).map(({ name }) => name),
      )
      const acknowledged = commands.filter((name) => /^(xack|xadd) .*:(events|dead)$/.test(name))
      const stored = commands.filter((name) => /^(COPY|find|bulkWrite|xadd .*:feed)/.test(name))
      const committed = work.some(({ events }) => events.some(({ name }) => name === 'committed'))
      const deadLettered = work.some(({ status }) => status.code === 'ERROR')
      return [
        ...(acknowledged.length === 0 ? [`${sink}: not acknowledged`] : []),
        ...(!deadLettered && (!committed || stored.length === 0) ? [`${sink}: nothing stored`] : []),
      ]
    })
}

/** Spans by their trace. */
export function byTrace(spans: readonly Span[]): Map<string, Span[]> {
  const traces = new Map<string, Span[]>()
  for (const span of spans) {
    const own = traces.get(span.traceId)
    if (own) own.push(span)
    else traces.set(span.traceId, [span])
  }
  return traces
}
