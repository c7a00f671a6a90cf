import { clip } from '../text.js'

/** Most characters of an answer that a message quotes. */
const MOST = 200
/** Fields of an answer in JSON that explain a refusal, the best first. Nothing else is quoted: it may repeat the event. */
const EXPLAINING = ['message', 'error_description', 'detail', 'title', 'error'] as const
/** What may be a token, wherever it stands. */
const TOKENS = /\bBearer\s+[^\s"',<]+|\beyJ[\w-]+\.[\w-]+\.[\w-]*/gi

/**
 * The words of an answer for a message or a dead letter: one short line without secrets.
 * @param secrets texts that must not be shown
 * @returns empty where the answer has none
 */
export function wordsOf(text: string, secrets: readonly string[]): string {
  // Bounded first: the rest of a long page costs nothing. Tags are longer than their text.
  const words = explanation(text) ?? (/^\s*[{[]/.test(text) ? '' : withoutTags(text.slice(0, 100 * MOST)))
  return clip(redact(words, secrets).replace(/\s+/g, ' ').trim(), MOST)
}

/** Replaces secrets, and what looks like a token, by `***`. */
export function redact(text: string, secrets: readonly string[]): string {
  const hidden = secrets
    .filter((secret) => secret !== '')
    .flatMap((secret) => [secret, encodeURIComponent(secret)])
    .reduce((rest, secret) => rest.replaceAll(secret, '***'), text)
  return hidden.replace(TOKENS, '***')
}

function explanation(text: string): string | undefined {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof json !== 'object' || json === null) return ''
  for (const field of EXPLAINING) {
    const value: unknown = Reflect.get(json, field)
    if (typeof value === 'string' && value !== '') return value
    // `{"error": {"message": "..."}}`
    if (typeof value === 'object' && value !== null) {
      const message: unknown = Reflect.get(value, 'message')
      if (typeof message === 'string') return message
    }
  }
  return ''
}

function withoutTags(html: string): string {
  return html
    .replace(/<(style|script)\b[\s\S]*?<\/\1\s*>/gi, ' ')
    .replace(/<[^>]*>/g, ' ')
    .replace(/&nbsp;/g, ' ')
}
