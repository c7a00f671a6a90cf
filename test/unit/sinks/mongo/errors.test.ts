import {
  BSON,
  MongoAPIError,
  MongoError,
  MongoInvalidArgumentError,
  MongoNetworkError,
  MongoParseError,
  MongoServerError,
} from 'mongodb'
import { describe, expect, test } from 'vitest'
import { RejectedError, TransientError } from '../../../../src/errors.js'
import {
  isLostRace,
  outcomeOf,
  refusal,
  refusalOfSome,
  transientOf,
} from '../../../../src/sinks/mongo/errors.js'

const serverError = (code: number) => new MongoServerError({ message: `fault ${code}`, code })

describe('what is said of one document', () => {
  test.each([2, 15, 22, 52, 55, 56, 57, 121, 171, 10334, 11000, 16755, 17280, 17419])(
    'code %i refuses it for good, in the words of the database',
    (code) => {
      const error = refusal({ code, errmsg: 'because' })
      expect(error).toBeInstanceOf(RejectedError)
      expect(error?.reason).toBe('refused_by_store')
      expect(error?.message).toMatch(new RegExp(`because \\(code ${code}, .+redrive`))
    },
  )

  test.each([0, 6, 13, 50, 64, 91, 112, 189, 10107, 11600, 14031, 16500, 999_999])(
    'code %i does not',
    (code) => {
      expect(refusal({ code })).toBeUndefined()
      expect(transientOf({ code, errmsg: 'because' }, 'write to x')).toBeInstanceOf(TransientError)
    },
  )

  test.each([
    ['E11000 duplicate key error collection: d.c index: _id_ dup key: { _id: "k" }', true],
    ['E11000 duplicate key error collection: d.c. Failed _id or unique index constraint.', true],
    ['E11000 duplicate key error collection: d.c index: email_1 dup key: { email: "_id_" }', false],
    ['E11000 duplicate key error collection: d.c index: their_id_ dup key: { their: 1 }', false],
  ])('%s: a lost race is %s', (errmsg, lost) => {
    expect(isLostRace({ code: 11000, errmsg })).toBe(lost)
    expect(isLostRace({ code: 121, errmsg })).toBe(false)
  })

  test('a message that quotes a whole document is cut', () => {
    expect(refusal({ code: 121, errmsg: 'x'.repeat(100_000) })?.message.length).toBeLessThan(1_000)
  })
})

describe('what is said of a whole command', () => {
  test.each([
    ['a document that cannot be serialized', new BSON.BSONError('key must not contain null bytes')],
    ['a document beyond 16 MB', new MongoInvalidArgumentError('Document is larger than the maximum size 16')],
    ['a code that only a document can cause', serverError(10334)],
  ])('%s refuses some of it', (_, error) => {
    expect(refusalOfSome(error)).toBeInstanceOf(RejectedError)
  })

  test.each([
    ['a wrong option', serverError(2)],
    ['an index that cannot be built', serverError(11000)],
    ['an election', serverError(10107)],
    ['a cut connection', new MongoNetworkError('closed')],
    ['a misused driver', new MongoInvalidArgumentError('Operation must be an object')],
    ['a bug', new TypeError('x is undefined')],
  ])('%s refuses nothing', (_, error) => {
    expect(refusalOfSome(error)).toBeUndefined()
  })
})

describe('the outcome of an error', () => {
  const unknownHost = Object.assign(new Error('querySrv ENOTFOUND'), { code: 'ENOTFOUND' })
  const halfClosed = Object.assign(new Error('This socket has been ended by the other party'), {
    code: 'EPIPE',
  })
  const noFile = Object.assign(new Error('no such file'), { code: 'ENOENT', path: 'ca.pem' })
  test.each([
    ['any code of the server', serverError(999_999), /log/],
    ['an election', serverError(189), /election/],
    ['no confirmation by a majority', serverError(64), /members/],
    ['no permission', serverError(13), /grant/],
    ['a cut connection', new MongoNetworkError('closed'), /cut/],
    ['a name server that knows nothing', unknownHost, /URL/],
    ['a socket that the driver had not seen closing', halfClosed, /URL/],
    ['whatever else the driver meets', new MongoError('odd'), /log/],
  ])('is transient for %s, and says what to do', (_, error, remedy) => {
    const outcome = outcomeOf(error, 'write to d.c')
    expect(outcome).toBeInstanceOf(TransientError)
    expect(outcome).toMatchObject({ message: expect.stringMatching(remedy), cause: error })
    expect(outcome).toMatchObject({ message: expect.stringContaining('write to d.c') })
    expect(outcome).toMatchObject({ message: expect.stringContaining(error.message) })
  })

  test.each([
    new TypeError('a bug'),
    Object.assign(new TypeError('a bug'), { code: 'ERR_INVALID_ARG_TYPE' }),
    noFile,
    new MongoAPIError('misused'),
    new MongoParseError('no URL'),
    new RejectedError('refused_by_store', 'theirs'),
  ])('is %o itself, where neither server nor network is to blame', (error) => {
    expect(outcomeOf(error, 'write')).toBe(error)
  })
})
