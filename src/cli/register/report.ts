import type { Step } from '../../cxone/registration/plan.js'
import { clip } from '../../text.js'

const DONE = { create: 'created', update: 'updated', leave: 'unchanged' } as const
const PLANNED = { create: 'would be created', update: 'would be updated', leave: 'unchanged' } as const

/** Describes a step: a line, and one more for each field that differs. */
export function describeStep({ wanted, action, differences, others }: Step, dryRun: boolean): string {
  const { kind, name, url } = wanted
  const lines = [
    `${kind} ${name}: ${(dryRun ? PLANNED : DONE)[action]} (${url})`,
    ...differences.map(({ field, from, to }) => `  ${field}: ${show(from)} -> ${show(to)}`),
    ...others.map(
      (other) =>
        `  Warning: ${kind} ${clip(other.name, 80)} (id ${clip(other.id, 80)}) has the same name or URL: its events may come twice. Remove it with \`tributary register remove --id ${clip(other.id, 80)} --kind ${kind}\``,
    ),
  ]
  return `${lines.join('\n')}\n`
}

function show(value: unknown): string {
  return value === undefined ? 'nothing' : clip(Array.isArray(value) ? value.join(',') : String(value), 200)
}
