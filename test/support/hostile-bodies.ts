import type { Reason } from '../../src/errors.js'

/** What must become of JSON text that stands somewhere in an otherwise valid event. */
export type Fate =
  /** It is no JSON in UTF-8: 400. */
  | 'malformed'
  /** Every store keeps it. */
  | 'delivered'
  /** No store can: a dead letter of each. */
  | 'invalid'
  /** Those stores cannot. */
  | readonly ('postgres' | 'mongo' | 'feed')[]

/** Bytes that may stand for a value in a JSON document. */
export interface Fragment {
  readonly name: string
  readonly bytes: Buffer
  readonly fate: Fate
}

/** The reason of the dead letter that a fate means for a sink; `undefined` where the event is delivered. */
export function reasonOf(fate: Fate, sink: string): Reason | undefined {
  if (fate === 'invalid') return 'invalid_event'
  return typeof fate !== 'string' && (fate as readonly string[]).includes(sink)
    ? 'refused_by_store'
    : undefined
}

const nested = (depth: number, open: string, inner: string, close: string) =>
  open.repeat(depth) + inner + close.repeat(depth)
/** Everything between white space, as it stands there. */
const words = ({ raw }: TemplateStringsArray) => raw.join('').trim().split(/\s+/)
const padded = (text: string) => `"${text}"`
const control = (code: number) => String.fromCharCode(code)

const BAD_NUMBERS = [
  ...words`
  +1 .1 -.1 1. -1. 01 -01 00 1e 1e+ 1E- 1.e1 .e1 0e 0E+ --1 - + 1+1 1-1 1e1e1 1.2.3 1e1.5 0x1F 0b1 0o7 1_000
  1,000 1n NaN nan -NaN Infinity -Infinity inf 1f 1d 1L $1 ١ 0.3e 9.e+ 1eE2 -foo -0x1 2.e-3 0.e1 1a
  123.456.789 ++1234 -1.0. 1.8011670033376514H-308
  `,
  '1 000',
  '\uff11',
  '- 1',
]
const BAD_WORDS = [
  ...words`
  tru fals nul True FALSE None undefined nulls truefalse a é 😀 * & <null> (1) \u0031 /1/ @x #1 yes ~
  `,
  'new Date()',
  '`x`',
  '\u2026',
]
const BAD_STRINGS = [
  ...words`
  " "x 'x' "x' "\" "\ "\x41" "\a" "\0" "\'" "\U0041" "\u" "\u1" "\u12" "\u123" "\u123G" "\uD800\u"
  "\uD800\u1x" "\u{1F600}" "\🌀" "a"b "a""b" "\ud8" "x"y" "\%" "\8"
  `,
  '\u201cx\u201d',
  '"a" "b"',
  '"a\\\nb"',
  '`',
  '"\\ "',
  // Control characters have to be escaped.
  ...Array.from({ length: 32 }, (_, code) => padded(`a${control(code)}b`)),
]
const BAD_LISTS = [
  ...words`
  [ ] [1 [1, [, [,] [,1] [1,] [1,,2] [1,,] [1;2] [1:2] [1]] [[1] ["a" ["a", [1} (1] [3[4]] [-] [a ["", [1]x
  [...] [/*1*/] [1//] <[]> [][] [* [{ [[[ [{"a":
  `,
  '[1 2]',
  '[1,\n1\n,1',
  '[\u00a01]',
  '[\u2028]',
  '[\u000c1]',
  '[\u000b1]',
  '[1]\u0000',
  nested(10_000, '[', '', ''),
  nested(10_000, '[', '', ']').slice(1),
]
const BAD_OBJECTS = [
  ...words`
  { } {"a" {"a"} {"a": {"a":} {"a":1 {"a":1, {"a":1,} {"a":1,,"b":2} {,"a":1} {:1} {1:1} {a:1} {'a':1}
  {"a"::1} {"a":1] {"a":1}} {"a":1;} {"a",1} {[1]:1} {null:1} {true:1} {"a":1}/**/ {/**/"a":1} {"a":1}//
  {"a":1}# {"x"::"b"} {"a":"b",# {é} {"a":/*b*/1} {"b"=1} {"b"=>1} {{}}
  `,
  '{"a" 1}',
  '{"a":1 "b":2}',
  '{"a":1 true}',
  '{"x", null}',
  '{"a":"a" 123}',
  nested(10_000, '{"a":', '', ''),
]
const BAD_UTF8 = words`
  ff fe 80 bf c0 c080 c0af c1bf c3 c328 e0 e080 e08080 e09fbf e28882a0 eda080 edbfbf eda0bdedb880 f0 f08080
  f0808080 f08fbfbf f09f98 f4908080 f5808080 f888808080 fc8480808080 fffe feff efbb e9 8080808080 f09f9880ff
  c3a9c3 fe80 a0a1
`

const GOOD_NUMBERS = words`
  0 -0 1 -1 1.5 1e0 1E1 1e+2 1e-2 0e1 0E+1 0.0 123456789012345 0.1 20e1 123e45 123.456e78
  -0.000000000000000000000001 9007199254740991 -9007199254740991 1e100 9007199254740992 0.10000000000000001
  1.7976931348623157e308 5e-324 2.2250738585072014e-308
`
const INEXACT_NUMBERS = [
  ...words`
  1e400 -1e400 1e999999 1e-400 123123e100000
  -123123e100000 1.5e+9999 0.4e0066999999999 0.12345678901234567890 9007199254740993.0 1.7976931348623159e308 3.141592653589793238462643383279
  `,
  '9'.repeat(1_001),
]
/** Whole numbers that are kept exactly. */
const LARGE_NUMBERS = words`
  9007199254740993 12345678901234567890 -12345678901234567890 100000000000000000000001 -9223372036854775808
  9223372036854775807 -9223372036854775809 9999999999999999999999999999999999
`
/** MongoDB keeps 34 digits. */
const LARGER_NUMBERS = ['-237462374673276894279832749832423479823246327846', '9'.repeat(1_000)]
const GOOD_STRINGS = [
  ...words`
  x é 😀 日本語 \" \\ \/ \b\f\n\r\t \u0041 \u00e9 \ud83d\ude00 \uD834\uDD1E \u001f \u0001 \uFFFF \uFDD0 \u200b
  {{7*7}} <script> ../../etc/passwd %00 \\u0000 \\ud800 \\. \\N \t\\N\n $where null NaN 1e999
  12345678901234567890 a\u0301\u0301 \u202eabc ﷺ Ω≈ç√ =cmd() \"\"\" true 0
  `,
  '',
  '\u2028\u2029',
  '\u00a0',
  '\ufeff',
  '\ufffe',
  '\uffff',
  '\u007f',
  "'; DROP TABLE contacts; --",
  '$' + '{process.exit()}',
  '()\u0085',
  'a, b\\tc',
  'x'.repeat(100_000),
  'é'.repeat(30_000),
]
const NUL_STRINGS = ['\\u0000', 'a\\u0000b', '\\u0000\\u0000', '\\ud83d\\ude00\\u0000']
const HALF_PAIRS = words`
  \ud800 \uD800 \udc00 \uDFFF \ud800\ud800 \udc00\ud800 \ud800x\udc00 \ud800\n \ud83d\ude00\ud83d x\udbff
  \uDd1ea \\\ud800
`
const GOOD_VALUES = [
  ...words`
  null true false [] {} [[]] [{}] {"a":{}} [1,"2",null,true,{"a":[]}] {"a":1,"a":2} {"a":{"b":1},"a":2}
  {"":0} {"a.b":1} {"é":1} {"\u0061":1,"a":2} {"__proto__":{"polluted":1}}
  {"constructor":{"prototype":{"polluted":1}}} {"toJSON":1,"valueOf":2} {"hasOwnProperty":1,"toString":null}
  {"then":1} {"length":-1} {"$numberLong":"7"} {"$set":{"x":1}} {"$where":"1"}
  {"id":1,"_id":2,"_tributary":{}} {"$date":"x"} {"0":1,"1":2}
  `,
  ' [ 1 , 2 ] ',
  '\n{\t"a"\r:1}\n',
  '{"a b":1}',
  `[${'1,'.repeat(5_000)}1]`,
  `{${Array.from({ length: 1_000 }, (_, i) => `"k${i}":${i}`).join()}}`,
  nested(50, '[', '', ']'),
  nested(50, '{"a":', '1', '}'),
]
const NOT_FOR_MONGO = [
  '{"_bsontype":"ObjectId"}',
  '{"$ref":"x","$id":1}',
  '{"a":{"$ref":"x","$id":1,"$db":"y"}}',
  nested(200, '[', '', ']'),
  nested(200, '{"a":', '1', '}'),
  nested(500, '[{"a":', 'null', '}]'),
]
/** Deeper than JSON.stringify goes, and Postgres' parser of JSON. */
const TOO_DEEP = [
  nested(10_000, '[', '', ']'),
  nested(10_000, '{"a":', '1', '}'),
  nested(50_000, '[', '', ']'),
]

const each = (kind: string, texts: readonly string[], fate: Fate): Fragment[] =>
  texts.map((text) => ({
    name: `${kind} ${text.length > 40 ? `${text.slice(0, 40)}… (${text.length})` : text}`,
    bytes: Buffer.from(text),
    fate,
  }))
const inQuotes = (hex: string) => Buffer.concat([Buffer.from('"'), Buffer.from(hex, 'hex'), Buffer.from('"')])

/** More than 300 fragments of the kind of JSONTestSuite's files. */
export const FRAGMENTS: readonly Fragment[] = [
  ...each('number', BAD_NUMBERS, 'malformed'),
  ...each('word', BAD_WORDS, 'malformed'),
  ...each('string', BAD_STRINGS, 'malformed'),
  ...each('list', BAD_LISTS, 'malformed'),
  ...each('object', BAD_OBJECTS, 'malformed'),
  ...BAD_UTF8.map((hex) => ({ name: `bytes ${hex}`, bytes: inQuotes(hex), fate: 'malformed' as const })),
  ...each('number', GOOD_NUMBERS, 'delivered'),
  ...each('number', INEXACT_NUMBERS, 'invalid'),
  ...each('number', LARGE_NUMBERS, 'delivered'),
  ...each('number', LARGER_NUMBERS, ['mongo']),
  ...each('string', GOOD_STRINGS.map(padded), 'delivered'),
  ...each('string', NUL_STRINGS.map(padded), ['postgres']),
  ...each('name', ['{"\\u0000":1}', '[{"a\\u0000b":"c"}]'], ['postgres', 'mongo']),
  ...each('string', HALF_PAIRS.map(padded), 'invalid'),
  ...each(
    'name',
    HALF_PAIRS.map((text) => `{"${text}":1}`),
    'invalid',
  ),
  ...each('value', GOOD_VALUES, 'delivered'),
  ...each('value', NOT_FOR_MONGO, ['mongo']),
  ...each('value', TOO_DEEP, ['postgres', 'mongo', 'feed']),
]

/** Whole bodies that are no JSON in UTF-8, for any contract. */
export function malformedBodies(valid: Buffer): Fragment[] {
  const text = valid.toString()
  const whole = (name: string, bytes: Buffer | string) => ({
    name,
    bytes: Buffer.from(bytes),
    fate: 'malformed' as const,
  })
  const cuts = Array.from({ length: 20 }, (_, i) => Math.floor((valid.length * i) / 20))
  return [
    ...cuts.map((length) => whole(`cut off at ${length}`, valid.subarray(0, length))),
    ...[' ', '\n', '\0', '\ufeff', '\u00a0', '\x1e'].map((space) =>
      whole(`only ${JSON.stringify(space)}`, space),
    ),
    whole('a byte order mark', `\ufeff${text}`),
    whole('UTF-16 LE', Buffer.from(text, 'utf16le')),
    whole('UTF-16 BE', Buffer.from(text, 'utf16le').swap16()),
    whole('UTF-32 LE', Buffer.from([...text].flatMap((char) => [char.charCodeAt(0), 0, 0, 0]))),
    whole('two documents', text + text),
    whole('two documents in two lines', `${text}\n${text}`),
    whole('NUL behind it', `${text}\0`),
    whole('a form feed before it', `\f${text}`),
    whole('a comma behind it', `${text},`),
    whole('a comment behind it', `${text} // comment`),
    whole('JSONP', `callback(${text})`),
    whole('a prefix against hijacking', `)]}',\n${text}`),
    whole('a form', `payload=${encodeURIComponent(text)}`),
    whole('XML', '<?xml version="1.0"?><event/>'),
    whole(
      'gzip',
      Buffer.from(
        '1f8b0800000000000003ab56ca4c51b2520a0d7171d6350d55d251502aa92c4855b252ca2856aa0500',
        'hex',
      ),
    ),
    whole('a megabyte of NUL', Buffer.alloc(1_000_000)),
    whole('a megabyte of [', '['.repeat(1_000_000)),
    whole('half a megabyte of {"":', '{"":'.repeat(130_000)),
    whole('single quotes', text.replaceAll('"', "'")),
    whole('without quotes', text.replaceAll('"', '')),
  ]
}

/** Whole bodies that are JSON, but no event and no list of events of any contract. */
export const FOREIGN_BODIES: readonly string[] = [
  ...[
    'null',
    'true',
    'false',
    '0',
    '-1.5e3',
    '""',
    '"text"',
    '[]',
    '[null]',
    '[[]]',
    '[{}]',
    '{}',
    '{"":""}',
    ' {} ',
  ],
  ...[
    '{"__proto__":{}}',
    '{"constructor":1}',
    '"\\u0000"',
    '"\\ud800"',
    '1e999',
    '{"a":1e999}',
    '{"events":null}',
  ],
  ...[
    '{"events":{}}',
    '{"events":"x"}',
    '{"id":null,"type":null}',
    '{"data":[]}',
    '{"eventData":null}',
    '{"event":[]}',
  ],
  nested(10_000, '[', '', ']'),
  nested(10_000, '{"a":', '1', '}'),
  `"${'x'.repeat(1_000_000)}"`,
]
