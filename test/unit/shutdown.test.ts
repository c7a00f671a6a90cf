import { EventEmitter } from 'node:events'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createLifecycle } from '../../src/shutdown.js'
import { recordedLog } from '../support/log.js'

function setUp(timeoutMs = 5_000) {
  const signals = new EventEmitter()
  const { log, lines } = recordedLog()
  const lifecycle = createLifecycle(timeoutMs, log, signals)
  const closed: string[] = []
  const closing = (name: string, ms = 0) =>
    lifecycle.onClose(name, async () => {
      await new Promise((resolve) => setTimeout(resolve, ms))
      closed.push(name)
    })
  return { signals, lifecycle, lines, closed, closing }
}

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

describe('a lifecycle', () => {
  it.each(['SIGTERM', 'SIGINT'])(
    'closes on %s, the last registered first, one after the other',
    async (name) => {
      const { signals, lifecycle, closed, closing } = setUp()
      closing('server')
      closing('sink', 20)
      closing('worker', 5)
      expect(lifecycle.stopping.aborted).toBe(false)
      signals.emit(name, name)
      expect(lifecycle.stopping.aborted).toBe(true)
      expect(await lifecycle.closed).toBe(0)
      expect(closed).toEqual(['worker', 'sink', 'server'])
      expect(lifecycle.giveUp.aborted).toBe(false)
      expect(signals.eventNames()).toEqual([])
    },
  )

  it('listens to the signals of its process', async () => {
    const { log } = recordedLog()
    const before = process.listenerCount('SIGTERM')
    const lifecycle = createLifecycle(1_000, log)
    expect(process.listenerCount('SIGTERM')).toBe(before + 1)
    process.emit('SIGTERM', 'SIGTERM')
    expect(await lifecycle.closed).toBe(0)
    expect(process.listenerCount('SIGTERM')).toBe(before)
  })

  it('closes too what is registered while it closes, the last first', async () => {
    const { lifecycle, closed, closing } = setUp()
    closing('first')
    lifecycle.onClose('slow start', async () => {
      closing('late sink')
      closing('late worker')
    })
    lifecycle.stop('done')
    expect(await lifecycle.closed).toBe(0)
    expect(closed).toEqual(['late worker', 'late sink', 'first'])
  })

  it('exits with 1 after a crash, and still closes everything, once', async () => {
    const { lifecycle, lines, closed, closing } = setUp()
    closing('sink')
    lifecycle.stop('the worker crashed', new TypeError('a bug'))
    lifecycle.stop('again')
    expect(await lifecycle.closed).toBe(1)
    expect(closed).toEqual(['sink'])
    expect(lines).toEqual(['fatal the worker crashed', 'info Stopping: the worker crashed'])
  })

  it('exits with 1 where a crash follows the stop', async () => {
    const { lifecycle, closing } = setUp()
    closing('sink', 10)
    lifecycle.stop('SIGTERM')
    lifecycle.stop('the worker crashed', new Error('late'))
    expect(await lifecycle.closed).toBe(1)
  })

  it('goes on closing after one has failed, and exits with 1', async () => {
    const { lifecycle, lines, closed, closing } = setUp()
    closing('first')
    lifecycle.onClose('broken', () => Promise.reject(new Error('no')))
    lifecycle.stop('done')
    expect(await lifecycle.closed).toBe(1)
    expect(closed).toEqual(['first'])
    expect(lines).toContain('error Closing broken failed')
  })

  it('gives up after its time: closers that notice still end, ones that hang are left', async () => {
    const { lifecycle, lines, closed, closing } = setUp(30)
    closing('never reached')
    lifecycle.onClose('hangs', () => new Promise(() => undefined))
    lifecycle.onClose('notices', async () => {
      await new Promise((resolve) => lifecycle.giveUp.addEventListener('abort', resolve))
      closed.push('notices')
    })
    const began = performance.now()
    lifecycle.stop('done')
    expect(await lifecycle.closed).toBe(1)
    expect(performance.now() - began).toBeGreaterThan(1_000)
    expect(closed).toEqual(['notices'])
    expect(lines.at(-1)).toMatch(/^error Not closed within 30 ms/)
  })

  it('leaves at once on a second signal', () => {
    const { signals, lifecycle, lines } = setUp()
    const exit = vi.spyOn(process, 'exit').mockImplementation(() => undefined as never)
    lifecycle.onClose('hangs', () => new Promise(() => undefined))
    signals.emit('SIGTERM', 'SIGTERM')
    expect(exit).not.toHaveBeenCalled()
    signals.emit('SIGINT', 'SIGINT')
    expect(exit).toHaveBeenCalledWith(1)
    expect(lines.at(-1)).toBe('warn SIGINT again: exiting at once')
  })
})
