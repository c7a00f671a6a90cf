import { includes, UNKNOWN } from '../../src/state/state.js'
import type { Entry } from '../../src/stream/entry.js'
import { stateOf } from '../support/model.js'
import { type Due, dueOf } from './due.js'
import type { Evidence } from './evidence.js'
import { type Change, type Fate, fatesOf, SINKS, type Sink } from './expected.js'
import { type Find, groupBy, judgeFeed, judgeLetters, judgeStore, placeOf } from './sink-verdict.js'
import { hashOf, type Sent } from './traffic.js'

/** Where the events of all acknowledged requests are, for one sink. */
export interface SinkAccount {
  readonly sink: Sink
  accepted: number
  delivered: number
  deadLettered: number
  pending: number
  lost: number
  doubled: number
}

/** What is not as it should be. */
export interface Finding {
  /** One of those in docs/chaos.md: `lost`, `doubled`, `letter`, `different`, ... */
  readonly kind: string
  readonly what: string
}

/** The outcome: nothing may be found. */
export interface Verdict {
  readonly accounts: readonly SinkAccount[]
  readonly findings: readonly Finding[]
}

/** What a verdict is made of. */
export interface Case extends Evidence {
  readonly sent: Sent
  /** Every entry that the log ever had. */
  readonly observed: ReadonlyMap<string, Entry>
  readonly maxClockSkewMs: number
}

/** Compares what was promised with what is there. Reads no clock, asks no server. */
export function judge(trial: Case): Verdict {
  const findings: Finding[] = []
  const find = (kind: string, what: string) => void findings.push({ kind, what })
  judgeLog(trial, find)
  judgeRefused(trial, find)
  const accounts = SINKS.map((sink) => judgeSink(sink, trial, find))
  return { accounts, findings }
}

/** What was acknowledged has been in the log, with the very bytes, and nothing else has. */
function judgeLog(trial: Case, find: Find): void {
  const { sent, observed } = trial
  for (const [ref, hash] of sent.acknowledged) {
    const entry = observed.get(ref)
    if (!entry) find('lost', `${ref} was acknowledged, and has never been seen in the log`)
    else if (hashOf(entry.body) !== hash) find('altered', `${ref} is not what was sent`)
  }
  for (const [ref, entry] of observed) judgeEntry(ref, entry, trial, find)
  for (const what of sent.unexpected) find('answer', what)
  if (sent.unanswered > 0) find('answer', `${sent.unanswered} requests have got no answer`)
}

/** The author of a body and the model agree on what must become of it: else this proves nothing. */
function judgeEntry(ref: string, entry: Entry, { sent, maxClockSkewMs }: Case, find: Find): void {
  const hash = hashOf(entry.body)
  if (!sent.bodies.has(hash)) {
    find('stranger', `${ref} is in the log, and the chaos run has not sent it`)
    return
  }
  const letter = sent.bodies.get(hash)
  for (const sink of SINKS) {
    const fates = fatesOf(entry, sink, maxClockSkewMs)
    const reasons = fates.flatMap((fate) => ('reason' in fate ? fate.reason : [])).join()
    const due = letter?.sinks.includes(sink) ? letter.reason : ''
    if (reasons !== due) find('model', `${ref}: ${sink} refuses "${reasons}", its author says "${due}"`)
  }
}

/** What the edge has answered 400 is among its letters. */
function judgeRefused({ sent, letters }: Case, find: Find): void {
  for (const reason of ['malformed_json', 'invalid_body']) {
    const answered = sent.byAnswer[`400 ${reason}`] ?? 0
    const kept = letters.filter((letter) => letter.sink === 'edge' && letter.reason === reason).length
    if (kept < answered) find('lost', `${answered} were answered 400 ${reason}, ${kept} are dead letters`)
  }
}

function judgeSink(sink: Sink, trial: Case, find: Find): SinkAccount {
  const due: Due = dueOf(sink, trial.observed, trial.maxClockSkewMs)
  const tell: Find = (kind, what) => find(kind, `${sink}: ${what}`)
  const isStored = (change: Change | undefined) => {
    if (!change || sink === 'feed') return false
    const stored = trial.stores[sink].get(change.entity)?.states.get(change.key)
    return includes(stored ?? UNKNOWN, stateOf(change.told))
  }
  const letters = judgeLetters(sink, trial.letters, due, isStored, tell)
  const records = groupBy(trial.records, ({ key }) => key)
  if (sink === 'feed') judgeFeed(records, due, tell)
  else judgeStore(trial.stores[sink], due, sink === 'postgres', tell)
  const account = { sink, accepted: 0, delivered: 0, deadLettered: 0, pending: 0, lost: 0, doubled: 0 }
  const copiesOf = (fate: Fate) => {
    if ('record' in fate) return records.get(fate.record.key)?.length ?? 0
    return isStored('change' in fate ? fate.change : fate.unless) ? 1 : 0
  }
  for (const ref of trial.sent.acknowledged.keys()) {
    const entry = trial.observed.get(ref)
    for (const fate of due.fates.get(ref) ?? []) {
      const deadLettered = letters.get(placeOf(ref, fate.index))?.length ?? 0
      const isPending = entry !== undefined && trial.unacknowledged[sink](entry, fate.index)
      place(account, deadLettered, copiesOf(fate), isPending, `${ref} [${fate.index}]`, tell)
    }
  }
  return account
}

function place(
  account: SinkAccount,
  deadLettered: number,
  copies: number,
  isPending: boolean,
  event: string,
  tell: Find,
): void {
  account.accepted++
  if (Math.max(deadLettered, copies) > 1) account.doubled++
  if (deadLettered > 0) account.deadLettered++
  else if (copies > 0) account.delivered++
  else if (isPending) account.pending++
  else {
    account.lost++
    tell('lost', `${event} is nowhere`)
  }
  if (isPending) tell('pending', `${event} is not settled`)
}
