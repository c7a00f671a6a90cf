import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { CONTRACTS } from '../../schemas/index.js'
import { BAD_GATEWAY, BROKEN, CONFLICT, type Fault, GARBAGE, limited } from '../../src/dev/cxone/faults.js'
import type { Paging } from '../../src/dev/cxone/registrations.js'
import type { CxoneServer } from '../../src/dev/cxone/server.js'
import type { Grant } from '../../src/dev/cxone/tokens.js'
import { runCommandLine } from '../support/command-line.js'
import { startCxone } from '../support/cxone.js'

const ALL = CONTRACTS.length
const CDC = 'https://hooks.example.com/webhook/cxone'
const WEBHOOK = ['register', 'webhook', '--name', 'crm', '--url', CDC]

/** A CXone, and the environment of the commands. */
async function start(grant: Partial<Grant> = {}): Promise<CxoneServer> {
  const cxone = await startCxone(grant)
  onTestFinished(() => void vi.unstubAllEnvs())
  const env = {
    CXONE_API_URL: `${cxone.url}/`,
    CXONE_TOKEN_URL: cxone.tokenUrl,
    CXONE_CLIENT_ID: 'client',
    CXONE_CLIENT_SECRET: 'sword/fish',
    CXONE_TIMEOUT_MS: '2000',
    PUBLIC_URL: 'https://hooks.example.com/',
    ...{ CDC_SECRETS: 's', CONTACT_SYNC_AUTH: 'none', DATA_ACTION_SECRETS: 's' },
    ...{ INTERACTION_UPDATE_SECRETS: 's', VALIDATED_SECRETS: 's' },
  }
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value)
  return cxone
}

/** All that is registered, and all changes that were asked for. */
const kept = (cxone: CxoneServer) => [...cxone.webhooks.all(), ...cxone.dataActions.all()]
const changes = (cxone: CxoneServer) => cxone.log().filter((line) => /^(PUT|DELETE|POST \/api)/.test(line))

describe('tributary register', () => {
  it('creates what the contracts need, and then leaves it', async () => {
    const cxone = await start()
    const dry = await runCommandLine(['register', '--dry-run'])
    expect(dry).toMatchObject({ exitCode: 0, err: '' })
    expect(dry.out).toContain(`webhook tributary-cdc: would be created (${CDC})\n`)
    expect(changes(cxone)).toEqual([])

    const first = await runCommandLine(['register'])
    expect(first).toMatchObject({ exitCode: 0, err: '' })
    expect(first.out.match(/: created \(https:/g)).toHaveLength(ALL)
    expect(kept(cxone)).toHaveLength(ALL)
    expect(cxone.webhooks.all()[0]).toMatchObject({ name: 'tributary-cdc', targetUrl: CDC, active: true })

    const second = await runCommandLine(['register'])
    expect(second.out.match(/: unchanged \(https:/g)).toHaveLength(ALL)
    expect(changes(cxone)).toHaveLength(ALL)
    // Each kind is listed once a run.
    expect(cxone.log().filter((line) => line.startsWith('GET'))).toHaveLength(3 * 2)
  })

  it('updates what differs, shows how, and keeps what else CXone has', async () => {
    const cxone = await start()
    cxone.webhooks.create({
      name: 'tributary-cdc',
      targetUrl: 'https://old.example.com',
      secret: 'kept',
      active: false,
    })
    const dry = await runCommandLine(['register', '--dry-run'])
    expect(dry.out).toContain(
      `webhook tributary-cdc: would be updated (${CDC})\n  targetUrl: https://old.example.com -> ${CDC}\n  events: nothing -> contact.created,`,
    )
    expect(dry.out).toContain('\n  active: false -> true\n')
    expect(changes(cxone)).toEqual([])
    expect((await runCommandLine(['register'])).out).toContain(
      `webhook tributary-cdc: updated (${CDC})\n  targetUrl:`,
    )
    expect(cxone.webhooks.all()).toEqual([
      expect.objectContaining({ id: 'r-1', targetUrl: CDC, secret: 'kept', active: true }),
    ])
  })

  it('leaves out contracts that are not configured, and says so', async () => {
    const cxone = await start()
    for (const name of ['CDC_SECRETS', 'DATA_ACTION_SECRETS', 'INTERACTION_UPDATE_SECRETS'])
      vi.stubEnv(name, '')
    const { out } = await runCommandLine(['register'])
    expect(out).toContain('cdc: not configured (CDC_SECRETS is not set), so not registered\n')
    expect(kept(cxone).map(({ name }) => name)).toEqual(['tributary-contact-sync', 'tributary-validated'])
    for (const [name, value] of [
      ['CONTACT_SYNC_AUTH', ''],
      ['VALIDATED_SECRETS', ''],
    ] as const)
      vi.stubEnv(name, value)
    expect(await runCommandLine(['register'])).toMatchObject({
      exitCode: 1,
      err: expect.stringContaining('No contract is configured'),
    })
  })

  it('says what is missing, and how to set it', async () => {
    await start()
    vi.stubEnv('PUBLIC_URL', '')
    expect((await runCommandLine(['register'])).err).toMatch(
      /^Error: PUBLIC_URL is not set: .*PUBLIC_URL=https:/,
    )
    for (const name of ['CXONE_API_URL', 'CXONE_CLIENT_SECRET']) vi.stubEnv(name, '')
    for (const args of [['register'], WEBHOOK, ['register', 'list'], ['register', 'remove', 'crm']]) {
      const { exitCode, err } = await runCommandLine(args)
      expect(exitCode).toBe(1)
      expect(err).toContain(
        'CXONE_API_URL is not set. For example: CXONE_API_URL=https://na1.nice.incontact.com',
      )
      expect(err).toContain('CXONE_CLIENT_SECRET_FILE=/run/secrets/')
      expect(err).not.toMatch(/CXONE_TOKEN_URL is not set|sword/)
    }
  })

  it('names the scopes that the client lacks, or all where CXone does not say which', async () => {
    const cxone = await start({ scopes: ['webhooks:read', 'dataaction:read'] })
    const { exitCode, err } = await runCommandLine(['register'])
    expect(exitCode).toBe(1)
    expect(err).toContain(
      'The token lacks webhooks:write. The client lacks the scopes webhooks:write dataaction:write',
    )
    cxone.misbehave('GET /api/v2/oauth2/userinfo', { kind: 'answer', status: 404 })
    expect((await runCommandLine(WEBHOOK)).err).toContain('It needs the scopes webhooks:read webhooks:write')
    vi.stubEnv('CXONE_CLIENT_SECRET', 'other')
    expect((await runCommandLine(WEBHOOK)).err).toMatch(
      /^Error: CXone gives no token: .*Unknown client\. Check CXONE_/,
    )
  })
})

describe('an answer that is lost makes no second registration', () => {
  const lost: [string, Fault][] = [
    ['cut after it was applied', { kind: 'cut', applied: true, at: 'middle' }],
    ['cut before the answer, after it was applied', { kind: 'cut', applied: true, at: 'start' }],
    ['cut before it was applied', { kind: 'cut', applied: false, at: 'middle' }],
    ['502 with HTML', BAD_GATEWAY],
    ['500', BROKEN],
    ['wrong JSON', GARBAGE],
    ['429 with seconds', limited('0.3')],
    ['429 with a date', limited(new Date(Date.now() - 1_000).toUTCString())],
    ['silence', { kind: 'hang' }],
    ['409', CONFLICT],
  ]
  it.each(lost)('within a run: %s', async (_, fault) => {
    const cxone = await start()
    cxone.misbehave('POST /api/v2/webhooks', fault)
    expect(await runCommandLine(WEBHOOK)).toMatchObject({
      exitCode: 0,
      out: `webhook crm: created (${CDC})\n`,
    })
    expect(cxone.webhooks.all()).toHaveLength(1)
  })

  it('nor in the next run, where the first has given up', async () => {
    const cxone = await start()
    cxone.misbehave('POST /api/v2/webhooks', { kind: 'cut', applied: true, at: 'middle' })
    // The list after the lost answer: nothing can be found out.
    cxone.misbehave('GET /api/v2/webhooks', { kind: 'slow', ms: 0 })
    cxone.misbehave('GET /api/v2/webhooks', limited('3000'))
    expect(await runCommandLine(WEBHOOK)).toMatchObject({ exitCode: 1, err: expect.stringContaining('429') })
    expect(cxone.webhooks.all()).toHaveLength(1)
    expect(await runCommandLine(WEBHOOK)).toMatchObject({
      exitCode: 0,
      out: `webhook crm: unchanged (${CDC})\n`,
    })
    expect(cxone.webhooks.all()).toHaveLength(1)
  })

  it('of an update neither, nor where another process removes it in between', async () => {
    const cxone = await start()
    await runCommandLine(WEBHOOK)
    const other = [...WEBHOOK, '--events', 'contact.created,contact.deleted']
    cxone.misbehave('PUT /api/v2/webhooks/{id}', { kind: 'cut', applied: true, at: 'middle' })
    cxone.misbehave('PUT /api/v2/webhooks/{id}', BAD_GATEWAY)
    expect((await runCommandLine(other)).out).toContain(
      `webhook crm: updated (${CDC})\n  events: contact.created,`,
    )
    expect(cxone.webhooks.all()).toEqual([
      expect.objectContaining({ id: 'r-1', events: ['contact.created', 'contact.deleted'] }),
    ])
    cxone.misbehave('PUT /api/v2/webhooks/{id}', { kind: 'answer', status: 404 })
    expect((await runCommandLine(WEBHOOK)).exitCode).toBe(0)
    expect(cxone.webhooks.all()).toEqual([expect.objectContaining({ id: 'r-1' })])
  })

  it('and one that is refused says so with the words of CXone', async () => {
    const cxone = await start()
    cxone.misbehave('POST /api/v2/webhooks', {
      kind: 'answer',
      status: 422,
      body: '{"message":"No such event type"}',
    })
    expect(await runCommandLine(WEBHOOK)).toMatchObject({
      exitCode: 1,
      err: 'Error: CXone answered 422 to POST /api/v2/webhooks: No such event type\n',
    })
  })
})

describe('the subcommands', () => {
  it('only print with --dry-run', async () => {
    const cxone = await start()
    const dataAction = ['register', 'data-action', '--name', 'd', '--url', CDC]
    for (const args of [WEBHOOK, dataAction])
      expect((await runCommandLine([...args, '--dry-run'])).out).toContain('would be created')
    expect(kept(cxone)).toEqual([])
    for (const args of [WEBHOOK, dataAction]) await runCommandLine(args)
    expect(kept(cxone)).toHaveLength(2)
    expect((await runCommandLine(['register', 'remove', 'crm', 'd', '--dry-run'])).out).toMatch(
      /^webhook crm \(id r-1, .*\): would be removed\ndata-action d \(id r-1, .*\): would be removed\n$/,
    )
    expect(kept(cxone)).toHaveLength(2)
  })

  it.each<Paging>(['array', 'numbers', 'links'])('list and remove in lists by %s', async (paging) => {
    const cxone = await start()
    for (const list of [cxone.webhooks, cxone.dataActions]) list.paging = paging
    for (let n = 0; n < 5; n++)
      cxone.webhooks.create({ name: `w-${n}`, targetUrl: `https://h.example.com/${n}` })
    const { out } = await runCommandLine(['register', 'list'])
    expect(out.match(/^webhook +r-\d +w-\d +https:/gm)).toHaveLength(5)
    const json = (await runCommandLine(['register', 'list', '--kind', 'webhook', '--json'])).out
    expect(
      json
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).name),
    ).toEqual(['w-0', 'w-1', 'w-2', 'w-3', 'w-4'])
    // The last page has it: no second one is made.
    await runCommandLine(['register', 'webhook', '--name', 'w-4', '--url', 'https://h.example.com/4'])
    expect(cxone.webhooks.all()).toHaveLength(5)

    cxone.misbehave('DELETE /api/v2/webhooks/{id}', { kind: 'cut', applied: true, at: 'start' })
    expect((await runCommandLine(['register', 'remove', 'w-4', '--id', 'r-1'])).exitCode).toBe(0)
    expect(cxone.webhooks.all().map(({ name }) => name)).toEqual(['w-1', 'w-2', 'w-3'])
    expect(await runCommandLine(['register', 'remove', 'w-4'])).toEqual({
      exitCode: 0,
      out: 'CXone has none of them.\n',
      err: '',
    })
  })

  it('name a second registration with the same name', async () => {
    const cxone = await start()
    for (const targetUrl of ['https://old.example.com', CDC])
      cxone.webhooks.create({ name: 'crm', targetUrl })
    const { out } = await runCommandLine(WEBHOOK)
    expect(out).toContain(`webhook crm: updated (${CDC})`)
    expect(out).toContain('Warning: webhook crm (id r-1) has the same name or URL')
    expect(cxone.webhooks.all().map(({ targetUrl }) => targetUrl)).toEqual(['https://old.example.com', CDC])
  })

  it.each([
    ['{"total":0}', 'has no list'],
    ['{"items":[],"total":7}', 'cannot be read to its end: only 0 are known'],
    ['[{"name":"x"}]', 'has an item without an id'],
    ['{"items":[],"nextPage":"https://elsewhere.example.com/api/v2/webhooks"}', 'link to its next page'],
  ])('cannot read a list like %j, and change nothing', async (body, message) => {
    const cxone = await start()
    cxone.misbehave('GET /api/v2/webhooks', { kind: 'altered', body: () => body })
    const { exitCode, err } = await runCommandLine(WEBHOOK)
    expect(exitCode).toBe(1)
    expect(err).toContain(message)
    expect(changes(cxone)).toEqual([])
  })

  it('change nothing where each page is the first one again', async () => {
    const cxone = await start()
    const body = () => '{"entities":[{"id":1,"name":"a"}],"pageCount":3}'
    cxone.misbehave('GET /api/v2/webhooks', { kind: 'altered', body }, 2)
    const { exitCode, err } = await runCommandLine(WEBHOOK)
    expect(exitCode).toBe(1)
    expect(err).toContain('cannot be read to its end: only 1 are known')
    expect(changes(cxone)).toEqual([])
  })

  it.each([
    [['register', 'webhook', '--url', CDC], "required option '--name <name>'"],
    [['register', 'webhook', '--name', 'x', '--url', 'hooks.example.com'], 'It must look like https://'],
    [['register', 'remove'], 'Which ones?'],
    [['register', 'webhok'], 'webhok'],
    [['register', 'list', '--kind', 'hook'], 'Allowed choices are webhook, data-action'],
  ])('refuse %j', async (args, message) => {
    await start()
    const { exitCode, err } = await runCommandLine(args)
    expect(exitCode).toBe(1)
    expect(err).toContain(message)
  })
})
