import { Command } from 'commander'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { createProgram } from '../../../src/cli/program.js'
import { ConfigError } from '../../../src/config.js'
import { TransientError } from '../../../src/errors.js'
import { runCommandLine } from '../../support/command-line.js'

afterEach(() => {
  vi.unstubAllEnvs()
})

describe('the command line', () => {
  const { commands: all } = createProgram()
  const commands = all.map((command) => command.name())
  const below = all.flatMap((command) => command.commands.map((one) => [[command.name(), one.name()]]))

  test.each([[[]], ...commands.map((name) => [[name]]), ...below])(
    'explains %j with examples',
    async (command) => {
      const { exitCode, out } = await runCommandLine([...command, '--help'])
      expect(exitCode).toBe(0)
      expect(out).toMatch(/^Usage: tributary/)
      expect(out).toMatch(/\nExamples:\n {2}\$ \S/)
    },
  )

  test('has the commands that people know', () => {
    expect(commands).toEqual(expect.arrayContaining(['dev', 'start', 'migrate', 'send', 'status', 'config']))
  })

  test('knows its version', async () => {
    expect(await runCommandLine(['--version'])).toMatchObject({
      exitCode: 0,
      out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    })
  })

  test.each([
    [['sned'], 'Did you mean send?'],
    [['send', '--cuont', '3'], 'Did you mean --count?'],
    [['send', '--rate', '0'], 'must be a number above 0'],
    [['send', '--count', '1.5'], 'must be a whole number'],
    [['send', '--late', '2'], 'a share from 0 to 1'],
    [['send', '--url', 'ftp://edge'], 'must look like http://'],
    [['send', '--contract', 'cdc', 'unheard-of'], 'Allowed choices are cdc'],
    [['status', '--watch', 'often'], 'must be a number above 0'],
  ])('refuses %j and says what is right', async (args, message) => {
    const { exitCode, err, out } = await runCommandLine(args)
    expect(exitCode).toBe(1)
    expect(err).toContain(message)
    expect(out).toBe('')
  })
})

describe('an error', () => {
  const failing = (error: unknown) => () =>
    new Command('x').action(() => {
      throw error
    })

  test.each([
    new ConfigError('PORT is wrong'),
    new TransientError('Redis is away'),
    new Error('There is no edge'),
  ])('that people can put right is reported without a stack: %s', async (error) => {
    expect(await runCommandLine([], failing(error))).toEqual({
      exitCode: 1,
      out: '',
      err: `Error: ${error.message}\n`,
    })
  })

  test.each([
    new TypeError('x is not a function'),
    Object.assign(new Error('write EIO'), { code: 'EIO' }),
    'a thrown text',
  ])('that is a bug is reported with its stack: %s', async (error) => {
    const { exitCode, err } = await runCommandLine([], failing(error))
    expect(exitCode).toBe(70)
    expect(err).toContain(error instanceof Error ? String(error.stack) : error)
    expect(err).toContain('This is a bug in tributary')
  })
})

describe('`tributary config`', () => {
  test('prints every variable, and only then names the wrong ones', async () => {
    vi.stubEnv('PARTITIONS', 'many')
    vi.stubEnv('CDC_SECRETS', 'hidden')
    const { exitCode, out, err } = await runCommandLine(['config'])
    expect(exitCode).toBe(1)
    expect(out).toMatch(/^\* {2}PARTITIONS +many +1 +Number of streams/m)
    expect(out).toMatch(/^\* {2}CDC_SECRETS +\*\*\* /m)
    expect(out).toMatch(/^ {3}DATA_ACTION_AUTH +hmac/m)
    expect(out + err).not.toContain('hidden')
    expect(err).toMatch(/^Error: .*\n {2}PARTITIONS must be integer/)
  })

  test('prints the same as JSON', async () => {
    vi.stubEnv('PARTITIONS', '4')
    const { exitCode, out } = await runCommandLine(['config', '--json'])
    expect(exitCode).toBe(0)
    expect(JSON.parse(out)).toContainEqual({
      name: 'PARTITIONS',
      description: expect.any(String),
      default: 1,
      set: true,
      value: '4',
    })
  })
})

describe('`tributary send --print`', () => {
  test('prints a comment and a curl line for every request, and sends none', async () => {
    vi.stubEnv('CDC_SECRETS', 'first,second')
    const { exitCode, out } = await runCommandLine([
      'send',
      '--print',
      '--contract',
      'cdc',
      '--count',
      '7',
      '--invalid',
      '0.5',
    ])
    expect(exitCode).toBe(0)
    const lines = out.trimEnd().split('\n')
    expect(lines).toHaveLength(14)
    for (const [i, line] of lines.entries()) {
      expect(line).toMatch(
        i % 2 === 0 ? /^# cdc, [\w ]+: \w+$/ : /^curl .*127\.0\.0\.1:8080\/webhook\/cxone' -H /,
      )
    }
  })

  test('needs to be told the secrets, or that there are none', async () => {
    vi.stubEnv('DATA_ACTION_SECRETS', '')
    const args = ['send', '--print', '--contract', 'data-action', '--count', '1']
    expect(await runCommandLine(args)).toMatchObject({
      exitCode: 1,
      err: expect.stringContaining('DATA_ACTION_SECRETS'),
    })
    vi.stubEnv('DATA_ACTION_AUTH', 'none')
    const { exitCode, out } = await runCommandLine(args)
    expect(exitCode).toBe(0)
    expect(out).not.toContain('Signature')
  })
})
