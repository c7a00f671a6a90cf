// Replaces a piece of one compiled file while it is loaded. CHAOS_MUTATION is JSON: see `Mutation` in mutants.ts.
import { appendFileSync } from 'node:fs'

const { file, from, to, note } = JSON.parse(process.env.CHAOS_MUTATION)

export async function load(url, context, next) {
  const loaded = await next(url, context)
  if (!url.endsWith(file)) return loaded
  const source = String(loaded.source)
  const parts = source.split(from)
  if (parts.length !== 2) {
    throw new Error(
      `The mutation does not fit: ${file} has its text ${parts.length - 1} times, not once:\n${from}`,
    )
  }
  appendFileSync(note, `${process.pid}\n`)
  return { ...loaded, source: parts.join(to) }
}
