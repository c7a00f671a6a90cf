import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CALL_BYTES, CALL_ITEMS, CALLS, type Failure, GroupCommit } from '../../../src/edge/append.js'

const LONG_MS = 10_000

/** A log that answers when the test says so; the real one is in the integration tests. */
class Log {
  readonly calls: { items: number[]; succeed(): void; fail(error: Error): void }[] = []
  readonly errors: unknown[] = []

  commit(timeoutMs: number): GroupCommit<number, string> {
    const write = (items: number[]) =>
      new Promise<string>((resolve, reject) => {
        const name = `call ${this.calls.length}`
        this.calls.push({ items, succeed: () => resolve(name), fail: reject })
      })
    return new GroupCommit(write, timeoutMs, (error) => this.errors.push(error))
  }

  get sent(): number[][] {
    return this.calls.map(({ items }) => items)
  }
}

/** Writes down what becomes of each item: every outcome, so that a second one would be seen. */
class Outcomes {
  readonly all = new Map<number, string[]>()

  add(commit: GroupCommit<number, string>, item: number, bytes = 1): void {
    const note = (what: string) => void this.all.set(item, [...(this.all.get(item) ?? []), what])
    commit.add(
      item,
      bytes,
      (result, index) => note(`${result}, ${index}`),
      (why: Failure) => note(why),
    )
  }

  of(...items: number[]): (string[] | undefined)[] {
    return items.map((item) => this.all.get(item))
  }
}

describe('a group commit', () => {
  it('sends what comes in one turn of the event loop in one call', async () => {
    const [log, outcomes] = [new Log(), new Outcomes()]
    const commit = log.commit(LONG_MS)
    for (const item of [7, 8, 9]) outcomes.add(commit, item)
    expect(log.sent).toEqual([])
    await nextTurn()
    expect(log.sent).toEqual([[7, 8, 9]])
    expect(outcomes.all.size).toBe(0)
    log.calls[0]?.succeed()
    await nextTurn()
    expect(outcomes.of(7, 8, 9)).toEqual([['call 0, 0'], ['call 0, 1'], ['call 0, 2']])
  })

  it('cuts calls by number and by bytes, and sends what is larger than a call alone', async () => {
    const [log, outcomes] = [new Log(), new Outcomes()]
    const many = log.commit(LONG_MS)
    for (let item = 0; item < CALL_ITEMS + 1; item++) outcomes.add(many, item)
    await nextTurn()
    expect(log.sent.map((items) => items.length)).toEqual([CALL_ITEMS, 1])

    const large = new Log()
    const commit = large.commit(LONG_MS)
    outcomes.add(commit, 1000, CALL_BYTES / 2)
    outcomes.add(commit, 1001, CALL_BYTES / 2)
    outcomes.add(commit, 1002, 1)
    outcomes.add(commit, 1003, CALL_BYTES * 3)
    outcomes.add(commit, 1004, 1)
    await nextTurn()
    expect(large.sent).toEqual([[1000, 1001], [1002], [1003], [1004]])
  })

  it('has few calls under way, and the next ones carry what has come meanwhile', async () => {
    const [log, outcomes] = [new Log(), new Outcomes()]
    const commit = log.commit(LONG_MS)
    for (let item = 0; item < CALLS + 3; item++) {
      outcomes.add(commit, item)
      await nextTurn()
    }
    expect(log.calls.length).toBe(CALLS)
    log.calls[0]?.succeed()
    await nextTurn()
    expect(log.sent.at(-1)).toEqual([CALLS, CALLS + 1, CALLS + 2])
  })

  it('fails every item of a call that Redis refuses, tells why once, and goes on', async () => {
    const [log, outcomes] = [new Log(), new Outcomes()]
    const commit = log.commit(LONG_MS)
    for (const item of [1, 2]) outcomes.add(commit, item)
    await nextTurn()
    log.calls[0]?.fail(new Error('OOM'))
    await nextTurn()
    expect(outcomes.of(1, 2)).toEqual([['unavailable'], ['unavailable']])
    expect(log.errors).toEqual([new Error('OOM')])
    outcomes.add(commit, 3)
    await nextTurn()
    log.calls[1]?.succeed()
    await nextTurn()
    expect(outcomes.of(3)).toEqual([['call 1, 0']])
  })

  it('fails what Redis does not answer in time, and never sends what has not been sent by then', async () => {
    const [log, outcomes] = [new Log(), new Outcomes()]
    const commit = log.commit(30)
    for (let item = 0; item < CALLS + 2; item++) {
      outcomes.add(commit, item)
      await nextTurn()
    }
    await sleep(60)
    const everyone = Array.from({ length: CALLS + 2 }, (_, item) => item)
    expect(outcomes.of(...everyone)).toEqual(everyone.map(() => ['timeout']))
    for (const call of log.calls) call.succeed()
    await nextTurn()
    outcomes.add(commit, 99)
    await nextTurn()
    expect(log.sent.flat()).toEqual([...everyone.slice(0, CALLS), 99])
    log.calls.at(-1)?.succeed()
    await nextTurn()
    expect(outcomes.of(0, CALLS + 1, 99)).toEqual([['timeout'], ['timeout'], [`call ${CALLS}, 0`]])
  })

  it('gives each item its own time', async () => {
    const commit = new Log().commit(200)
    const waited = () => {
      const since = performance.now()
      return new Promise<number>((resolve) => {
        commit.add(
          1,
          1,
          () => {},
          () => resolve(performance.now() - since),
        )
      })
    }
    const first = waited()
    await sleep(120)
    const second = waited()
    expect(await first).toBeGreaterThanOrEqual(199)
    expect(await second).toBeGreaterThanOrEqual(199)
  })

  it('tells each item one outcome, and its own, whatever Redis does', async () => {
    const act = fc.constantFrom('add' as const, 'succeed' as const, 'fail' as const, 'wait' as const)
    const steps = fc.array(fc.tuple(act, fc.integer({ min: 1, max: CALL_BYTES })), { maxLength: 60 })
    await fc.assert(
      fc.asyncProperty(steps, async (history) => {
        const [log, outcomes] = [new Log(), new Outcomes()]
        const items = await play(history, log, outcomes)
        expect(log.sent.flat()).toEqual([...Array(items).keys()])
        for (const [call, { items: sent }] of log.calls.entries()) {
          for (const [index, item] of sent.entries()) {
            expect([[`call ${call}, ${index}`], ['unavailable']]).toContainEqual(outcomes.all.get(item))
          }
        }
      }),
      { numRuns: 60 },
    )
  })
})

/** Lets a history happen, then lets every call succeed. @returns how many items were added */
async function play(
  history: readonly (readonly ['add' | 'succeed' | 'fail' | 'wait', number])[],
  log: Log,
  outcomes: Outcomes,
): Promise<number> {
  const commit = log.commit(LONG_MS)
  let items = 0
  for (const [act, number] of history) {
    const call = log.calls[number % (log.calls.length + 1)]
    if (act === 'add') outcomes.add(commit, items++, number)
    else if (act === 'wait') await nextTurn()
    else if (act === 'succeed') call?.succeed()
    else call?.fail(new Error('away'))
  }
  for (let called = -1; called !== log.calls.length; ) {
    called = log.calls.length
    await nextTurn()
    for (const call of log.calls) call.succeed()
    await nextTurn()
  }
  return items
}
