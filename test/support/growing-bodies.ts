import fc from 'fast-check'
import { TIMESTAMP } from './decoding.js'

const DATE = `"timestamp":"${TIMESTAMP}"`
/** An event of each contract, with a place for any value. */
export const AROUND: Readonly<Record<string, readonly [string, string]>> = {
  cdc: [`{"webhookId":"w","eventType":"contact.updated",${DATE},"eventData":{"id":"i","x":`, '}}'],
  'contact-sync': [`{"events":[{"id":"i",${DATE},"x":`, '}]}'],
  'data-action': [`{"id":"i","type":"t",${DATE},"x":`, '}'],
  validated: [
    `{"event":"e",${DATE},"correlation_id":"c","data":{"channel":"sms","duration_seconds":"1","agent_id":"a","customer_email":"A@b.c","x":`,
    '}}',
  ],
}

/** Fills a body with copies of a piece, each with its number in place of `#`. */
export type Filling = (bytes: number, before: string, behind: string) => string
const filled = (piece: string): Filling => {
  return (bytes, before, behind) => {
    const pieces: string[] = []
    for (let size = 0; size < bytes; size += pieces.at(-1)?.length ?? 1)
      pieces.push(piece.replace('#', String(pieces.length)))
    return before + pieces.join('') + behind
  }
}
const nestedIn = (open: string, close: string): Filling => {
  return (bytes, before, behind) => {
    const levels = Math.floor(bytes / (open.length + close.length))
    return `${before}${open.repeat(levels)}1${close.repeat(levels)}${behind}`
  }
}
/** A list or an object, or a text, of copies of a piece. */
const list =
  (piece: string): Filling =>
  (bytes, a, b) =>
    filled(`${piece},`)(bytes, `${a}[`, `1]${b}`)
const object =
  (piece: string): Filling =>
  (bytes, a, b) =>
    filled(`${piece},`)(bytes, `${a}{`, `"":1}${b}`)
const text =
  (piece: string): Filling =>
  (bytes, a, b) =>
    filled(piece)(bytes, `${a}"`, `"${b}`)

const PIECES = {
  lists: [
    ...['1', '""', '[]', '{}', 'null', '0.1', '2147483648', '12345678901234567', '123456789012345678901'],
    ...[
      '1234567890123456.5',
      '0.10000000000000001',
      '1e100',
      '5e-324',
      '"a",1,{"b":[]}',
      '"1234567890123456"',
    ],
    ...[
      '9'.repeat(1_000),
      '1  ',
      '"\\ud83d\\ude00"',
      '"\\\\ud83d"',
      `"${TIMESTAMP}"`,
      '{"_bsontype":1}',
      '1e999',
    ],
  ],
  objects: [
    '"k#":1',
    '"a":1',
    '"__proto__":1',
    '"\\u0065#":1',
    '"aA#":[]',
    '"\\\\ud800#":1',
    '"#.#":{}',
    '"$#":null',
  ],
  texts: [
    'x',
    '\\\\',
    '\\"',
    '\\u0041',
    '\\u0001',
    '\\u0000',
    '\\\\u0000',
    '\\\\ud83d',
    '9',
    '{',
    '", "'.replaceAll('"', ''),
    'aA',
    '\\n',
  ],
  nested: [
    ['[', ']'],
    ['{"a":', '}'],
    ['[{"":', '}]'],
    ['[[],', ']'],
    ['{"b":1,"a":', '}'],
  ] as const,
}
/** Any value, with what it is. */
export const anyValue: fc.Arbitrary<readonly [string, Filling]> = fc.oneof(
  fc.constantFrom(...PIECES.lists).map((piece) => [`a list of ${piece}`, list(piece)] as const),
  fc.constantFrom(...PIECES.objects).map((piece) => [`an object of ${piece}`, object(piece)] as const),
  fc.constantFrom(...PIECES.texts).map((piece) => [`a text of ${piece}`, text(piece)] as const),
  fc
    .constantFrom(...PIECES.nested)
    .map(([open, close]) => [`levels of ${open}`, nestedIn(open, close)] as const),
  fc
    .array(fc.constantFrom(...PIECES.lists), { minLength: 1, maxLength: 4 })
    .map((pieces) => [`a list of ${pieces}`, list(pieces.join())] as const),
)
const CDC = `{"webhookId":"w","eventType":"contact.updated",${DATE},"eventData":{`
const VALIDATED = `{"event":"e",${DATE},"correlation_id":"c","data":{"channel":"sms","agent_id":"a",`
/** A column, whose name many fields may have. */
export const COLUMN = 'abcdefghijklmno'
/** The name of the column in one of its 32,768 spellings. */
const spelled = (number: number) =>
  [...COLUMN].map((letter, at) => ((number >> at) & 1 ? letter.toUpperCase() : letter)).join('')
/** The text before and behind what fills a body. */
const within =
  (before: string, piece: string, behind: string): Filling =>
  (bytes) =>
    filled(piece)(bytes, before, behind)
/** Whole bodies of other shapes. */
export const WHOLE: Record<string, readonly [string, Filling]> = {
  'many fields': ['cdc', within(CDC, '"k#":1,', '"id":"i"}}')],
  'many fields of columns': ['cdc', within(CDC, '"firstName#":"x","first_name#":1,', '"id":"i"}}')],
  'spellings of a column': [
    'cdc',
    (bytes) => {
      const names = Array.from({ length: Math.floor(bytes / 22) }, (_, at) => `"${spelled(at)}":"x",`)
      return `${CDC}${names.join('')}"id":"i"}}`
    },
  ],
  'a field twice': ['cdc', within(CDC, '"first_name":"x","firstName":"y",', '"id":"i"}}')],
  'a long name of a field': ['cdc', within(`${CDC}"`, 'aA', '":1,"id":"i"}}')],
  'a long id': ['cdc', within(`${CDC}"id":"`, 'x', '"}}')],
  'a long event type': [
    'cdc',
    within('{"webhookId":"w","eventType":"', '.', `",${DATE},"eventData":{"id":"i"}}`),
  ],
  'a long fraction': ['cdc', within(CDC.slice(0, CDC.indexOf('Z"')), '1', 'Z","eventData":{"id":"i"}}')],
  'members beside the events': ['contact-sync', within('{', '"a":1,', '"events":[1]}')],
  'many arrays of events': ['contact-sync', within('{', '"\\u0065vents":[1,1],', '"events":[1]}')],
  'a number as text': ['validated', within(`${VALIDATED}"duration_seconds":"`, '9', '"}}')],
  'zeros as text': ['validated', within(`${VALIDATED}"duration_seconds":"1`, '0', '"}}')],
  'an e-mail address': ['validated', within(`${VALIDATED}"customer_email":"`, 'a@a.', '"}}')],
}
for (const event of [
  '1',
  '{}',
  '{"id":""}',
  '{"id":1,"email":1,"timestamp":1}',
  `{"id":"#",${DATE}}`,
  `{"id":"#",${DATE},"n":1e999}`,
  `{"id":"#",${DATE},"n":12345678901234567890}`,
  `{"id":"\\ud800"}`,
  '[[[[[[[[[[]]]]]]]]]]',
])
  Object.assign(WHOLE, {
    [`events of ${event}`]: ['contact-sync', (n: number) => filled(`${event},`)(n, '{"events":[', '1]}')],
  })
