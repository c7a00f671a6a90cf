import { readFileSync } from 'node:fs'

/** Ending of the name of a variable that names a file with the value of the variable without the ending. */
const ENDING = '_FILE'
/** Maximum size of such a file, in characters. */
const MOST = 65_536

/**
 * Reads the files that variables like `CXONE_CLIENT_SECRET_FILE` name, as secrets are mounted in containers.
 * White space around the text is dropped: editors end a file with a new line.
 * @param known the names of all variables; a variable counts only where the one without `_FILE` is known, too
 * @param values gets the texts, by the names without `_FILE`
 * @returns what is wrong, one error a line, without the texts
 */
export function readFiles(known: readonly string[], values: Record<string, unknown>): string[] {
  return known.flatMap((variable) => {
    const name = variable.slice(0, -ENDING.length)
    const path = values[variable]
    if (!variable.endsWith(ENDING) || !known.includes(name) || typeof path !== 'string') return []
    if (values[name] !== undefined) return [`${name} and ${variable} are both set: leave one out`]
    const { text, why } = readText(path)
    if (text === undefined) return [`${variable} names a file that ${why}`]
    values[name] = text
    return []
  })
}

function readText(path: string): { text?: string; why?: string } {
  try {
    const text = readFileSync(path, 'utf8').trim()
    if (text === '') return { why: 'is empty' }
    return text.length > MOST ? { why: `has more than ${MOST} characters` } : { text }
  } catch (error) {
    return { why: `cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)})` }
  }
}
