import { expect, test } from 'vitest'
import { BoundedConcurrency } from '../../../src/pipeline/bounded-concurrency.js'

/** Work that ends when the test calls its function. */
function flight() {
  let [land, crash] = [(): void => {}, (_: Error): void => {}]
  const ended = new Promise<void>((resolve, reject) => {
    land = resolve
    crash = reject
  })
  return { work: () => ended, land, crash }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

test('at most this many batches are in flight, and the next one starts when one has ended', async () => {
  const writing = new BoundedConcurrency(2)
  const [a, b, c] = [flight(), flight(), flight()]
  await writing.start(a.work)
  await writing.start(b.work)
  let started = false
  const starting = writing.start(() => {
    started = true
    return c.work()
  })
  await turn()
  expect(started).toBe(false)
  b.land()
  await starting
  expect(started).toBe(true)
  a.land()
  c.land()
  await writing.idle()
})

test('what one has failed with ends all', async () => {
  const writing = new BoundedConcurrency(2)
  const [a, b] = [flight(), flight()]
  await writing.start(a.work)
  await writing.start(b.work)
  expect(writing.failed.aborted).toBe(false)
  a.crash(new TypeError('a bug'))
  await turn()
  expect(writing.failed.reason).toEqual(new TypeError('a bug'))
  await expect(writing.start(async () => undefined)).rejects.toThrow('a bug')
  b.land()
  await expect(writing.idle()).rejects.toThrow('a bug')
})
