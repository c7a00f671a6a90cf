import { table } from '../../src/text.js'
import type { Struck } from './faults.js'
import type { Sent } from './traffic.js'
import type { Verdict } from './verdict.js'

/** What a run has come to. */
export interface Outcome extends Verdict {
  readonly seed: number
  readonly sent: Sent
  readonly struck: Struck
  /** Entries that the log had, and how many of them are trimmed from it. */
  readonly entries: { readonly seen: number; readonly trimmed: number }
  /** From the end of the last fault until everything was answered and settled, in ms; `undefined`: never. */
  readonly recoveredMs: number | undefined
  /** From the first fresh request until all of them were settled; `undefined`: not in time. */
  readonly freshMs: number | undefined
}

/** Findings of one kind that are shown. */
const SHOWN = 10
const FIGURES = ['accepted', 'delivered', 'dead-lettered', 'pending', 'lost', 'doubled'] as const

/** Whether a run has proved what it is to prove. */
export function isSound({ findings }: Verdict): boolean {
  return findings.length === 0
}

/** The outcome for a person. */
export function report(outcome: Outcome): string {
  const { sent, struck, entries, recoveredMs, freshMs, seed } = outcome
  const answers = Object.entries(sent.byAnswer)
    .sort()
    .map(([label, count]) => `  ${count} x ${label}`)
  const faults = Object.entries(struck.byKind).map(([kind, count]) => `${count} x ${kind}`)
  return [
    `Sent ${sent.requests} requests, ${sent.again} times again; ${sent.acknowledged.size} were acknowledged:`,
    ...answers,
    `Faults struck: ${faults.join(', ') || 'none'}; missed: ${struck.missed.length}`,
    `Entries in the log: ${entries.seen}, of which ${entries.trimmed} are trimmed by now`,
    `Recovered ${seconds(recoveredMs)} after the last fault; fresh traffic settled in ${seconds(freshMs)}`,
    '',
    accountTable(outcome),
    '',
    ...listed(outcome),
    isSound(outcome)
      ? 'It balances: nothing lost, nothing doubled, nothing pending, stores equal to the model.'
      : 'IT DOES NOT BALANCE.',
    `Seed ${seed}`,
  ].join('\n')
}

function accountTable({ accounts }: Verdict): string {
  const rows = accounts.map(({ sink, accepted, delivered, deadLettered, pending, lost, doubled }) => ({
    sink,
    accepted: String(accepted),
    delivered: String(delivered),
    'dead-lettered': String(deadLettered),
    pending: String(pending),
    lost: String(lost),
    doubled: String(doubled),
  }))
  return table(['sink', ...FIGURES], rows, FIGURES)
}

/** The findings, kind by kind. */
function listed({ findings }: Verdict): string[] {
  return [...new Set(findings.map(({ kind }) => kind))].flatMap((kind) => {
    const own = findings.filter((finding) => finding.kind === kind)
    const more = own.length > SHOWN ? [`  ... and ${own.length - SHOWN} more`] : []
    return [
      `${kind.toUpperCase()}: ${own.length}`,
      ...own.slice(0, SHOWN).map(({ what }) => `  ${what}`),
      ...more,
    ]
  })
}

function seconds(ms: number | undefined): string {
  return ms === undefined ? 'NEVER' : `${(ms / 1_000).toFixed(1)} s`
}
