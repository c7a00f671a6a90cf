import { setImmediate as nextTurn } from 'node:timers/promises'
import { type ExportResult, ExportResultCode } from '@opentelemetry/core'
import { type ReadableSpan, TracerProvider } from '@opentelemetry/sdk-trace'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { readConfig } from '../../src/config.js'
import { explainExport, Losses } from '../../src/telemetry/losses.js'
import { startTelemetry } from '../../src/telemetry/sdk.js'
import { SpanBudget } from '../../src/telemetry/span-budget.js'
import { createTracing, NO_TRACING } from '../../src/telemetry/tracing.js'
import { recordedLog } from '../support/log.js'

const CAPACITY = 1_000

/** Spans on their way to a collector that answers when the test says so. */
function open(spansAMs = Number.POSITIVE_INFINITY) {
  const { log, lines } = recordedLog()
  const calls: { spans: ReadableSpan[]; answer: (result: ExportResult) => void }[] = []
  const exporter = {
    export: (spans: ReadableSpan[], answer: (result: ExportResult) => void) =>
      void calls.push({ spans, answer }),
    shutdown: async () => undefined,
  }
  const losses = new Losses(log)
  const queue = new SpanBudget({ exporter, maxQueueSize: CAPACITY, host: 'collector:4318', spansAMs }, losses)
  const provider = new TracerProvider({ spanProcessors: [queue] })
  const tracing = createTracing(provider.getTracer('test'), 1, queue)
  const end = (count: number) => {
    for (let i = 0; i < count; i++) tracing.startSpan('x', 'client').end()
  }
  return { calls, losses, lines, end, queue, tracing }
}

const TAKEN: ExportResult = { code: ExportResultCode.SUCCESS }
describe('the budget of spans', () => {
  it('loses none while the collector takes them', async () => {
    const { calls, losses, lines, end } = open()
    for (let turn = 1; turn <= 20; turn++) {
      end(512)
      await nextTurn()
      calls.at(-1)?.answer(TAKEN)
      await nextTurn()
      expect(calls).toHaveLength(turn)
    }
    expect([losses.total, lines]).toEqual([0, []])
  })

  it('exports at a bounded pace, but for a burst, and at once when it closes', async () => {
    vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] })
    const { calls, end, queue } = open(1)
    end(512)
    calls[0]?.answer(TAKEN)
    end(512)
    await nextTurn()
    // Both are within the burst of 1,000, more or less; the third has to wait for its time.
    expect(calls).toHaveLength(2)
    calls[1]?.answer(TAKEN)
    end(512)
    await nextTurn()
    expect(calls).toHaveLength(2)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(calls).toHaveLength(3)
    calls[2]?.answer(TAKEN)
    end(512)
    const closed = queue.shutdown()
    await nextTurn()
    expect(calls).toHaveLength(4)
    calls[3]?.answer(TAKEN)
    await closed
  })

  it('lets whole events be traced or none, and counts the others', () => {
    const { end, tracing, losses } = open()
    expect([tracing.reserve(100), tracing.sample()]).toEqual([100, true])
    end(512 + CAPACITY / 2 - 10)
    expect(tracing.reserve(100)).toBe(5)
    expect(losses.total).toBe(95 * 2)
    // The spans of what is under way have the other half.
    end(10 + CAPACITY / 2)
    expect(losses.total).toBe(95 * 2)
    expect([tracing.reserve(1), tracing.sample()]).toEqual([0, false])
    expect(NO_TRACING.reserve(5)).toBe(0)
  })

  it('holds as many as it may, and counts what it drops beyond', async () => {
    const { calls, losses, end } = open()
    end(512)
    expect(calls).toHaveLength(1)
    end(CAPACITY + 30)
    expect(losses.total).toBe(30)
    calls[0]?.answer(TAKEN)
    await nextTurn()
    expect(calls[1]?.spans).toHaveLength(512)
    end(512 + 7)
    expect(losses.total).toBe(37)
  })
})

describe('what is lost', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['performance'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('is logged once a minute, with all losses since the last line', () => {
    const { log, lines } = recordedLog()
    const losses = new Losses(log)
    losses.add(1, 'spans to c:1', 'first')
    losses.add(2, 'spans to c:1', 'second')
    vi.advanceTimersByTime(59_000)
    losses.add(3, 'spans to c:1', 'third')
    expect(lines).toEqual(['warn Telemetry is lost: 1 spans to c:1: first'])
    vi.advanceTimersByTime(1_000)
    losses.add(4, 'spans to c:1', 'fourth')
    losses.add(5, 'spans to c:1', 'fifth')
    expect(lines[1]).toBe('warn Telemetry is lost: 9 spans to c:1: fourth')
    losses.report()
    losses.report()
    expect(lines.slice(2)).toEqual(['warn Telemetry is lost: 5 spans to c:1: fifth'])
    expect(losses.total).toBe(15)
  })

  it('says something even where the error has no message', () => {
    const silent = Object.assign(new AggregateError([], ''), { code: 'ECONNREFUSED' })
    expect([explainExport(silent), explainExport(undefined)]).toEqual(['ECONNREFUSED', 'no reason given'])
  })
})

describe('startTelemetry', () => {
  it('traces nothing without a collector', async () => {
    const telemetry = startTelemetry(readConfig({}), ['edge'], recordedLog().log)
    expect(telemetry.tracing).toBe(NO_TRACING)
    await telemetry.close()
  })

  it('closes in time though the collector is away, and tells what is lost', async () => {
    const { log, lines } = recordedLog()
    const endpoint = 'http://user:swordfish@127.0.0.1:9'
    const telemetry = startTelemetry(readConfig({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }), ['edge'], log)
    telemetry.tracing.startSpan('x', 'server').end()
    const since = performance.now()
    await telemetry.close()
    expect(performance.now() - since).toBeLessThan(25_000)
    const why = 'it has not taken them by the end of the process'
    expect(lines).toEqual([`warn Telemetry is lost: 1 spans to 127.0.0.1:9: ${why}`])
  })
})
