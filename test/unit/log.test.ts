import { afterEach, describe, expect, it, vi } from 'vitest'
import { Progress, STUCK_MS } from '../../src/health/progress.js'
import { createWarnOnce, seldom, traceIds } from '../../src/telemetry/log.js'

afterEach(() => {
  vi.useRealTimers()
})

describe('a complaint that is repeated', () => {
  it('is written at once, then once a minute with the count of what was left out', () => {
    vi.useFakeTimers()
    const lines: unknown[] = []
    const warnOnce = seldom((message, repeats) => lines.push([message, repeats]))
    for (let second = 0; second <= 3_600; second++) {
      warnOnce(`Postgres at 127.0.0.1:5432 is away, attempt ${second}`)
      vi.advanceTimersByTime(1_000)
    }
    expect(lines).toHaveLength(61)
    expect(lines.slice(0, 2)).toEqual([
      ['Postgres at 127.0.0.1:5432 is away, attempt 0', 0],
      ['Postgres at 127.0.0.1:5432 is away, attempt 60', 59],
    ])
  })

  it('hides no other cause', () => {
    const lines: string[] = []
    const warnOnce = seldom((message) => lines.push(message))
    for (const message of ['disk full', 'no connection', 'disk full']) warnOnce(message)
    expect(lines).toEqual(['disk full', 'no connection'])
  })

  it('takes bounded memory and bounded lines, whatever the messages', () => {
    const lines: string[] = []
    const warnOnce = seldom((message) => lines.push(message))
    for (let one = 0; one < 10_000; one++)
      warnOnce('x'.repeat(one % 199) + String.fromCodePoint(0x4e00 + one))
    expect(lines.length).toBeLessThan(60)
  })

  it('takes fields for its line', () => {
    const lines: unknown[] = []
    const warnOnce = createWarnOnce({ warn: (...line: unknown[]) => void lines.push(line) })
    warnOnce('away', { trace_id: 'a' })
    warnOnce('away', { trace_id: 'b' })
    expect(lines).toEqual([[{ trace_id: 'a' }, 'away']])
  })
})

describe('the ids in a log line', () => {
  it('are those of the trace, and absent without one', () => {
    expect(traceIds('00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01')).toEqual({
      trace_id: '0af7651916cd43dd8448eb211c80319c',
      span_id: 'b7ad6b7169203331',
    })
    expect([traceIds(''), traceIds('"}{"')]).toEqual([{}, {}])
  })
})

describe('the progress of a loop', () => {
  const later = (ms: number) => performance.now() + ms
  const endless = () => new Promise<void>(() => undefined)

  it('tells which step hangs', () => {
    const progress = new Progress()
    void progress.during('write', endless)
    expect(progress.stuck()).toBeUndefined()
    expect(progress.stuck(later(STUCK_MS + 10_000))).toBe('its step "write" has sent no heartbeat for 130 s')
  })

  it('is not hidden by another step that goes on', () => {
    // Before the first step: the clock of the fake begins at 0, not where the real one is.
    vi.useFakeTimers({ toFake: ['performance'] })
    const progress = new Progress()
    void progress.during('write', endless)
    vi.advanceTimersByTime(STUCK_MS + 1_000)
    void progress.during('read', endless)
    progress.heartbeat('read')
    expect(progress.stuck()).toContain('"write"')
    progress.heartbeat('write')
    expect(progress.stuck()).toBeUndefined()
  })

  it('knows nothing of a step that is over, however it ended', async () => {
    const progress = new Progress()
    await progress.during('read', async () => undefined)
    await progress.during('write', () => Promise.reject(new Error('away'))).catch(() => undefined)
    progress.heartbeat('read')
    expect(progress.stuck(later(STUCK_MS * 2))).toBeUndefined()
  })

  it('goes on while all that it does is to wait for Redis', () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    const progress = new Progress()
    void progress.during('read', endless)
    for (let minute = 0; minute < 60; minute++) {
      vi.advanceTimersByTime(60_000)
      progress.heartbeat()
    }
    expect(progress.stuck()).toBeUndefined()
  })
})
