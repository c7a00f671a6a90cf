import type { SampleRequest } from './samples.js'
import { headersOf, type Senders } from './signing.js'

/**
 * A curl command for bash that sends a request byte for byte and prints the whole answer.
 * @param url URL of the edge, without a path
 * @param request its body must not contain a NUL byte: a command line cannot
 */
export function curlLine(
  url: string,
  request: Pick<SampleRequest, 'contract' | 'body' | 'signature'>,
  senders: Senders,
): string {
  const headers = Object.entries(headersOf(request, senders)).map(([name, value]) => `${name}: ${value}`)
  return [
    `curl -sS -i ${quote(Buffer.from(new URL(request.contract.path, url).href))}`,
    ...headers.map((header) => `-H ${quote(Buffer.from(header))}`),
    `--data-binary ${quote(request.body)}`,
  ].join(' ')
}

/** Bash's `'...'`, or `$'...'` with escapes for bytes that a terminal would not carry unchanged. */
function quote(bytes: Buffer): string {
  const text = bytes.toString()
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what has to be escaped
  const isPlain = Buffer.from(text).equals(bytes) && !/[\x00-\x1f\x7f-\x9f]/.test(text)
  if (isPlain) return `'${text.replaceAll("'", String.raw`'\''`)}'`
  return `$'${[...bytes].map(escaped).join('')}'`
}

function escaped(byte: number): string {
  const isPlain = byte >= 0x20 && byte < 0x7f && byte !== 0x27 && byte !== 0x5c
  return isPlain ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`
}
