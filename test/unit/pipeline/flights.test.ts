import { expect, test } from 'vitest'
import { Flights } from '../../../src/pipeline/flights.js'

/** Work that ends when it is told to. */
function flight() {
  let [land, crash] = [(): void => {}, (_: Error): void => {}]
  const ended = new Promise<void>((resolve, reject) => {
    land = resolve
    crash = reject
  })
  return { work: () => ended, land, crash }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

test('so many batches are under way at a time, and the next one starts when one has ended', async () => {
  const flights = new Flights(2)
  const [a, b, c] = [flight(), flight(), flight()]
  await flights.start(a.work)
  await flights.start(b.work)
  let started = false
  const starting = flights.start(() => {
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
  await flights.landed()
})

test('what one has failed with ends all', async () => {
  const flights = new Flights(2)
  const [a, b] = [flight(), flight()]
  await flights.start(a.work)
  await flights.start(b.work)
  expect(flights.failed.aborted).toBe(false)
  a.crash(new TypeError('a bug'))
  await turn()
  expect(flights.failed.reason).toEqual(new TypeError('a bug'))
  await expect(flights.start(async () => undefined)).rejects.toThrow('a bug')
  b.land()
  await expect(flights.landed()).rejects.toThrow('a bug')
})
