import type { Span } from './otlp-messages.js'

/** Where a picture's parts are, in pixels. */
const WIDTH = 900
const LABELS = 330
const ROW = 24
const TOP = 34

const COLOURS: Readonly<Record<string, string>> = {
  SERVER: '#2f81f7',
  PRODUCER: '#a371f7',
  CONSUMER: '#3fb950',
  CLIENT: '#db8c2c',
}

/**
 * Draws traces as a waterfall: a row a span, children below their parents, each bar where it was in time; of an event,
 * and of the batches that it was in. It is legible on a light and on a dark page.
 */
export function drawWaterfall(spans: readonly Span[]): string {
  const rows = inOrder(spans)
  const begin = rows.reduce(
    (least, { span }) => (span.start < least ? span.start : least),
    rows[0]?.span.start ?? 0n,
  )
  const end = rows.reduce((most, { span }) => (span.end > most ? span.end : most), 0n)
  const msOf = (time: bigint) => Number(time - begin) / 1e6
  const scale = (WIDTH - LABELS - 80) / msOf(end)
  const height = TOP + rows.length * ROW + 10
  const bars = rows.map(({ span, depth }, row) => {
    const y = TOP + row * ROW
    const [x, width] = [
      LABELS + msOf(span.start) * scale,
      Math.max(2, msOf(span.end - span.start + begin) * scale),
    ]
    const ms = `${msOf(span.end - span.start + begin).toFixed(1)} ms`
    const group = String(span.attributes['messaging.consumer.group.name'])
    const of = span.parentId === '' ? `${group}, batch` : group
    const label = `${span.name}${span.kind === 'CONSUMER' ? ` (${of})` : ''}`
    return [
      `<text x="${10 + depth * 16}" y="${y + 15}">${xml(label)}</text>`,
      `<rect x="${x.toFixed(1)}" y="${y + 4}" width="${width.toFixed(1)}" height="14" rx="2" fill="${COLOURS[span.kind] ?? '#888'}"/>`,
      `<text class="ms" x="${(x + width + 5).toFixed(1)}" y="${y + 15}">${ms}</text>`,
    ].join('')
  })
  const kinds = Object.entries(COLOURS).map(
    ([kind, colour], i) =>
      `<rect x="${LABELS + i * 105}" y="8" width="12" height="12" rx="2" fill="${colour}"/><text x="${LABELS + 17 + i * 105}" y="18">${kind}</text>`,
  )
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="A trace as a waterfall">`,
    '<style>text{font:12px ui-monospace,SFMono-Regular,Menlo,monospace;fill:#1f2328}.ms{fill:#59636e;font-size:11px}.page{fill:#fff}',
    '@media(prefers-color-scheme:dark){text{fill:#e6edf3}.ms{fill:#9198a1}.page{fill:#0d1117}}</style>',
    `<rect class="page" width="${WIDTH}" height="${height}" rx="6"/>`,
    ...kinds,
    ...bars,
    '</svg>\n',
  ].join('\n')
}

interface Row {
  readonly span: Span
  readonly depth: number
}

/** Children behind their parents, the earlier first. */
function inOrder(spans: readonly Span[], parent = '', depth = 0): Row[] {
  return spans
    .filter(({ parentId }) => parentId === parent)
    .sort((a, b) => Number(a.start - b.start))
    .flatMap((span) => [{ span, depth }, ...inOrder(spans, span.spanId, depth + 1)])
}

function xml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
