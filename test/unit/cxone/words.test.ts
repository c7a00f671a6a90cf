import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { wordsOf } from '../../../src/cxone/words.js'
import { BAD_GATEWAY } from '../../../src/dev/cxone/faults.js'

describe('the words of an answer', () => {
  it.each([
    ['{"message":"The id is unknown","id":"i-7"}', 'The id is unknown'],
    ['{"error":"invalid_client","error_description":"Unknown client"}', 'Unknown client'],
    ['{"error":{"message":"No such\\n interaction"}}', 'No such interaction'],
    ['{"error":"invalid_scope"}', 'invalid_scope'],
    ['{"attributes":{"crmReferenceId":"private"}}', ''],
    ['[1,2]', ''],
    ['{"message":"cut off', ''],
    ['"just text"', ''],
    ['<html><script>if (a < b) steal()</script><h1>Bad</h1> <p>Gateway</p></html>', 'Bad Gateway'],
    ['upstream connect error', 'upstream connect error'],
    ['', ''],
  ])('%j are %j', (text, words) => {
    expect(wordsOf(text, [])).toBe(words)
  })

  it('are one short line, also of a long page', () => {
    if (BAD_GATEWAY.kind !== 'answer') throw new Error('it is an answer')
    expect(wordsOf(BAD_GATEWAY.body ?? '', [])).toBe('502 Bad Gateway')
    expect(wordsOf('word '.repeat(1_000_000), []).length).toBe(200)
  })

  it('hide secrets, as they are and in a form, and what looks like a token', () => {
    const text = 'no sword/fish, no sword%2Ffish, no Bearer abc.def, no eyJhbGciOi.eyJzdWIi.x_-y here'
    expect(wordsOf(text, ['sword/fish', ''])).toBe('no ***, no ***, no ***, no *** here')
    expect(wordsOf(JSON.stringify({ message: text }), ['sword/fish'])).not.toMatch(/fish|abc|eyJ/)
  })

  it('never have a secret, wherever it stands', () => {
    const secret = fc.string({ minLength: 8, maxLength: 40 }).filter((text) => /^[\w/+-]{8,}$/.test(text))
    const random = fc.stringMatching(/^[\w/+-]{8,40}$/)
    fc.assert(
      fc.property(fc.oneof(secret, random), fc.string(), fc.string(), (hidden, before, after) => {
        const text = `${before}${hidden}${after}`
        expect(wordsOf(text, [hidden])).not.toContain(hidden)
        expect(wordsOf(JSON.stringify({ message: text }), [hidden])).not.toContain(hidden)
      }),
    )
  })
})
