import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type Environment, readConfig } from '../../../src/config.js'

function fileWith(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'tributary-secret-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'secret'), text)
  return join(folder, 'secret')
}

/** The message about a wrong environment. */
function mistakes(env: Environment): string {
  try {
    readConfig(env)
  } catch (error) {
    return (error as Error).message
  }
  throw new Error('nothing is wrong')
}

describe('a variable with _FILE', () => {
  it('gives the text of the file, without the new line at its end', () => {
    const config = readConfig({
      CXONE_CLIENT_ID_FILE: fileWith('client\n'),
      CXONE_CLIENT_SECRET_FILE: fileWith('sword fish\r\n'),
    })
    expect(config).toMatchObject({ CXONE_CLIENT_ID: 'client', CXONE_CLIENT_SECRET: 'sword fish' })
  })

  it.each([
    ['is empty', () => fileWith('\n')],
    ['cannot be read (ENOENT)', () => '/no/such/file'],
    ['cannot be read (EISDIR)', () => tmpdir()],
    ['has more than 65536 characters', () => fileWith('x'.repeat(65_537))],
  ])('says that its file %s', (why, path) => {
    expect(mistakes({ CXONE_CLIENT_SECRET_FILE: path() })).toContain(
      `CXONE_CLIENT_SECRET_FILE names a file that ${why}`,
    )
  })

  it('is refused beside the variable itself, without showing either', () => {
    const message = mistakes({
      CXONE_CLIENT_SECRET: 'swordfish',
      CXONE_CLIENT_SECRET_FILE: fileWith('other'),
    })
    expect(message).toContain('CXONE_CLIENT_SECRET and CXONE_CLIENT_SECRET_FILE are both set')
    expect(message).not.toMatch(/swordfish|other/)
  })
})

describe('the URLs of CXone', () => {
  it('may have any of the published forms', () => {
    for (const url of ['https://acme.cxone.com', 'https://na1.nice.incontact.com/', 'http://127.0.0.1:1/cx'])
      expect(readConfig({ CXONE_API_URL: url })).toMatchObject({ CXONE_API_URL: url })
  })

  it.each([
    [{ CXONE_API_URL: 'acme.cxone.com' }, 'must be a URL with http or https'],
    [{ CXONE_API_URL: 'ftp://acme.cxone.com' }, 'must be a URL with http or https'],
    [{ CXONE_API_URL: 'https://acme.cxone.com/api/v2/' }, 'must end before /api/v2'],
    [{ CXONE_TOKEN_URL: 'https://u:hidden@acme.cxone.com/oauth/token' }, 'must have no user and password'],
    [{ PUBLIC_URL: 'https://hooks.example.com/?hidden=1' }, 'must have no ? and no #'],
    [{ CXONE_TOKEN_URL: 'https://acme.cxone.com/oauth/token#hidden' }, 'must have no #'],
  ])('are refused: %j %s', (env, why) => {
    const message = mistakes(env)
    expect(message).toContain(`${Object.keys(env)[0]} ${why}. For example: `)
    expect(message).not.toContain('hidden')
  })

  it('have no misspelled neighbours', () => {
    expect(mistakes({ CXONE_CLIENT_SECRETS: 's' })).toContain('CXONE_CLIENT_SECRETS is not a variable')
  })
})
