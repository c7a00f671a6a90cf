import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { RejectedError, TransientError } from '../../../../src/errors.js'
import { outcomeOf, refusalOf, SchemaError, StaleLayoutError } from '../../../../src/sinks/postgres/errors.js'

function databaseError(code: string, more: Partial<pg.DatabaseError> = {}): pg.DatabaseError {
  return Object.assign(new pg.DatabaseError('it says so', 10, 'error'), { code, ...more })
}

describe('an error of Postgres', () => {
  it.each(['22P02', '22001', '22021', '22P05', '23502', '23505', '23514', '54000', '54001'])(
    '%s refuses a row for good',
    (code) => {
      const error = databaseError(code)
      const refusal = refusalOf(error)
      expect(refusal).toBeInstanceOf(RejectedError)
      expect(refusal?.reason).toBe('refused_by_store')
      expect(refusal?.message).toContain(`it says so (${code}, `)
      expect(refusal?.cause).toBe(error)
    },
  )

  it.each([
    ['08006', 'network'],
    ['25006', 'primary'],
    ['28P01', 'password'],
    ['3D000', 'create the database'],
    ['40001', 'passes by itself'],
    ['40P01', 'passes by itself'],
    ['42501', 'grant'],
    ['42703', 'tributary migrate'],
    ['42P01', 'tributary migrate'],
    ['53100', 'disk'],
    ['53200', 'memory'],
    ['53300', 'max_connections'],
    ['55P03', 'pg_locks'],
    ['57014', 'took too long'],
    ['57P01', 'stopping'],
    ['58030', 'log'],
    ['XX000', 'log'],
    ['0A000', 'log'],
  ])('%s passes, and the message helps: %s', (code, help) => {
    const error = databaseError(code)
    expect(refusalOf(error)).toBeUndefined()
    const outcome = outcomeOf(error, 'write 3 rows')
    expect(outcome).toBeInstanceOf(TransientError)
    expect(String(outcome)).toMatch(new RegExp(`could not write 3 rows: it says so \\(${code}: .*${help}`))
  })

  it('TR001 is an old layout', () => {
    expect(outcomeOf(databaseError('TR001'), 'write')).toBeInstanceOf(StaleLayoutError)
  })

  it('names the column, as far as Postgres does', () => {
    const inCopy = databaseError('22P02', { where: 'COPY stage_1_t, line 3, column vip: "maybe"' })
    expect(refusalOf(inCopy)?.message).toContain('(column vip, 22P02, ')
    const inInsert = databaseError('23502', { column: 'level', detail: 'Failing row contains ...' })
    expect(refusalOf(inInsert)?.message).toMatch(/\(column level, 23502, .*: Failing row contains/)
  })
})

describe('an error of the network', () => {
  it.each([
    new Error('Connection terminated unexpectedly'),
    new Error('timeout exceeded when trying to connect'),
    Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED', syscall: 'connect' }),
    new AggregateError([new Error('connect ECONNREFUSED ::1'), new Error('connect ECONNREFUSED 127.0.0.1')]),
  ])('passes: %s', (error) => {
    expect(refusalOf(error)).toBeUndefined()
    const outcome = outcomeOf(error, 'answer')
    expect(outcome).toBeInstanceOf(TransientError)
    expect(String(outcome)).toMatch(/could not answer: (Connection|timeout|connect) .*check that it runs/)
  })
})

describe('what is an outcome already, or a bug,', () => {
  it.each([
    new TypeError('x is not a function'),
    new TransientError('away'),
    new RejectedError('refused_by_store', 'no'),
    new SchemaError('migrate'),
    'a string',
  ])('stays what it is: %s', (error) => {
    expect(outcomeOf(error, 'write')).toBe(error)
    expect(refusalOf(error)).toBeUndefined()
  })
})
