import { expect, test } from 'vitest'
import { table } from '../../src/text.js'

test('a table aligns words to the left, figures to the right, and leaves no blanks at the ends of lines', () => {
  const rows = [
    { SINK: 'postgres', COUNT: '7', NOTE: '' },
    { SINK: 'mongo', COUNT: '1234567', NOTE: 'behind' },
  ]
  expect(table(['SINK', 'COUNT', 'NOTE'], rows, ['COUNT'])).toBe(
    ['SINK        COUNT  NOTE', 'postgres        7', 'mongo     1234567  behind'].join('\n'),
  )
  expect(table(['SINK'], [])).toBe('SINK')
})
