import { setTimeout as sleep } from 'node:timers/promises'
import { Durations } from '../../src/health/durations.js'
import { createRequests } from './bodies.js'
import { Connection } from './connection.js'
import type { ClosedLoop, LoadPlan, LoadReport, OpenLoop } from './plan.js'
import { Queue } from './queue.js'

/** How long after the end an answer may still come, in ms. */
const PATIENCE_MS = 15_000
/** More requests than these do not wait for a connection: the server has been overrun. */
const MOST_DUE = 1_000_000
/** From one look at what is due to the next, in ms. */
const TICK_MS = 1

/** Does what a plan says. */
export async function runLoad({ port, connections, requests, loop }: LoadPlan): Promise<LoadReport> {
  const tally = new Tally()
  const make = createRequests(requests)
  const report =
    loop.kind === 'closed'
      ? await closedLoop(port, connections, make, loop, tally)
      : await openLoop(port, connections, make, loop, tally)
  return { ...report, flags: requests.variety === 'fresh' ? tally.flags : new Uint8Array() }
}

type Make = (n: number) => Buffer

/** What is counted of the answers. */
class Tally {
  readonly durations = new Durations()
  readonly byStatus: Record<string, number> = {}
  acknowledged = 0
  unanswered = 0
  #flags = new Uint8Array(1 << 16)
  #highest = -1

  /** @param counts whether it belongs to the counted time */
  note(n: number, status: number, ms: number, counts: boolean): void {
    if (status === 202) this.#acknowledge(n)
    if (!counts) return
    this.byStatus[status] = (this.byStatus[status] ?? 0) + 1
    if (status === 202) this.durations.record(ms)
  }

  get flags(): Uint8Array {
    return this.#flags.slice(0, this.#highest + 1)
  }

  #acknowledge(n: number): void {
    this.acknowledged++
    this.#highest = Math.max(this.#highest, n)
    if (n >= this.#flags.length) {
      const more = new Uint8Array(2 * Math.max(n, this.#flags.length))
      more.set(this.#flags)
      this.#flags = more
    }
    this.#flags[n] = 1
  }
}

type Report = Omit<LoadReport, 'flags'>

function reportOf(tally: Tally, seconds: number, unsent: number): Report {
  const { byStatus, acknowledged, unanswered, durations } = tally
  return {
    seconds,
    byStatus,
    acknowledged,
    unanswered,
    unsent,
    durations: Uint32Array.from(durations.counts),
  }
}

async function closedLoop(
  port: number,
  count: number,
  make: Make,
  { warmUp, seconds }: ClosedLoop,
  tally: Tally,
): Promise<Report> {
  let next = 0
  let open = count
  let [from, to] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
  const starts: (() => void)[] = []
  const connections = Array.from({ length: count }, () => {
    let [n, sentAt] = [0, 0]
    const send = () => {
      n = next++
      sentAt = performance.now()
      connection.send(make(n))
    }
    const answered = (status: number) => {
      const now = performance.now()
      tally.note(n, status, now - sentAt, now >= from && now < to)
      if (now < to) send()
      else connection.close()
    }
    const closed = (waiting: boolean) => {
      open--
      if (waiting) tally.unanswered++
    }
    const connection = new Connection(port, answered, closed)
    starts.push(send)
    return connection
  })
  await Promise.all(connections.map((connection) => connection.open()))
  from = performance.now() + warmUp * 1_000
  to = from + seconds * 1_000
  for (const start of starts) start()
  await sleep((warmUp + seconds) * 1_000)
  await until(() => open === 0)
  for (const connection of connections) connection.close()
  await until(() => open === 0)
  return reportOf(tally, seconds, 0)
}

/** A request that is due. */
interface Due {
  readonly n: number
  /** In ms of `performance.now()`. */
  readonly at: number
}

async function openLoop(
  port: number,
  count: number,
  make: Make,
  { rate, seconds }: OpenLoop,
  tally: Tally,
): Promise<Report> {
  const idle: Connection[] = []
  const under = new Map<Connection, Due>()
  const waiting = new Queue<Due>()
  let open = count
  const connections = Array.from({ length: count }, () => {
    const answered = (status: number) => {
      const due = under.get(connection)
      under.delete(connection)
      if (due) tally.note(due.n, status, performance.now() - due.at, true)
      const next = waiting.shift()
      if (next) send(connection, next)
      else idle.push(connection)
    }
    const closed = (unanswered: boolean) => {
      open--
      if (unanswered) tally.unanswered++
      under.delete(connection)
    }
    const connection = new Connection(port, answered, closed)
    return connection
  })
  const send = (connection: Connection, due: Due) => {
    under.set(connection, due)
    connection.send(make(due.n))
  }
  const take = (): Connection | undefined => {
    for (let connection = idle.pop(); connection; connection = idle.pop()) {
      if (connection.idle) return connection
    }
    return undefined
  }
  await Promise.all(connections.map((connection) => connection.open()))
  idle.push(...connections)
  const begun = performance.now()
  const total = Math.round(rate * seconds)
  let issued = 0
  while (issued < total && open > 0) {
    const dueBy = Math.min(total, Math.floor(((performance.now() - begun) / 1_000) * rate))
    for (; issued < dueBy; issued++) {
      const due = { n: issued, at: begun + (issued / rate) * 1_000 }
      const connection = take()
      if (connection) send(connection, due)
      else if (waiting.length < MOST_DUE) waiting.push(due)
    }
    await sleep(TICK_MS)
  }
  const took = (performance.now() - begun) / 1_000
  // What is due and could not be sent in time is not sent any more: the server was overrun.
  const grace = performance.now() + 1_000
  await until(() => (waiting.length === 0 && under.size === 0) || performance.now() > grace || open === 0)
  const unsent = waiting.clear()
  await until(() => under.size === 0 || open === 0)
  for (const connection of connections) connection.close()
  await until(() => open === 0)
  return reportOf(tally, took, unsent)
}

async function until(holds: () => boolean): Promise<void> {
  for (const end = performance.now() + PATIENCE_MS; !holds() && performance.now() < end; ) await sleep(5)
}
