import { Agent } from 'node:http'
import { expect, test } from 'vitest'
import type { Contract } from '../../schemas/contract.js'
import { CONTRACTS } from '../../schemas/index.js'
import { balances } from '../../src/dev/ledger/ledger.js'
import { post, type TestEdge } from '../support/edge.js'
import {
  type Fate,
  FOREIGN_BODIES,
  FRAGMENTS,
  type Fragment,
  malformedBodies,
  reasonOf,
} from '../support/hostile-bodies.js'
import { openInProcess, WORKED_SINKS } from '../support/in-process.js'

const CONNECTIONS = 16
const DATE = '"timestamp":"2025-11-22T09:30:00Z"'

/** An event of each contract with a place for any value, as the text before and behind it. */
const EVENTS: Readonly<Record<string, (id: string) => readonly [string, string]>> = {
  cdc: (id) => [
    `{"webhookId":"w","eventType":"contact.created",${DATE},"eventData":{"id":"${id}","x":`,
    '}}',
  ],
  // With neighbours, which no fault of it may harm.
  'contact-sync': (id) => [
    `{"events":[{"id":"${id}-before",${DATE}},{"id":"${id}",${DATE},"x":`,
    `},{"id":"${id}-after",${DATE}}]}`,
  ],
  'data-action': (id) => [`{"id":"${id}","type":"t",${DATE},"x":`, '}'],
  'interaction-update': (id) => [`{"interactionId":"${id}","contactId":"c",${DATE},"attributes":{"x":`, '}}'],
  validated: (id) => [
    `{"event":"e",${DATE},"correlation_id":"${id}","data":{"channel":"sms","duration_seconds":"1","agent_id":"a","customer_email":"A@b.c","x":`,
    '}}',
  ],
}

/** One request, and what must become of it. */
interface Shot {
  readonly contract: Contract
  readonly name: string
  readonly body: Buffer
  /** `accepted` or the code of the 400. */
  readonly answer: 'accepted' | 'malformed_json' | 'invalid_body'
  /** What becomes of the event that is hostile. */
  readonly fate: Fate
}

function shotsAt(contract: Contract): Shot[] {
  const event = EVENTS[contract.name]
  if (!event) throw new Error(`There is no event of ${contract.name} to be spoiled`)
  const spoiled = FRAGMENTS.map(({ name, bytes, fate }, i): Shot => {
    const [before, behind] = event(`hostile-${i}`)
    const body = Buffer.concat([Buffer.from(before), bytes, Buffer.from(behind)])
    return { contract, name, body, fate, answer: fate === 'malformed' ? 'malformed_json' : 'accepted' }
  })
  const malformed = ({ name, bytes, fate }: Fragment): Shot => ({
    ...{ contract, name, fate },
    body: bytes,
    answer: 'malformed_json',
  })
  // `validated` takes all that is JSON, and says what is wrong in a dead letter.
  const answer = contract.name === 'validated' ? 'accepted' : 'invalid_body'
  const foreign = FOREIGN_BODIES.map(
    (body): Shot => ({ contract, name: body.slice(0, 40), body: Buffer.from(body), answer, fate: 'invalid' }),
  )
  return [...spoiled, ...malformedBodies(Buffer.from(event('whole').join('1'))).map(malformed), ...foreign]
}

/** Posts everything. @returns where the log keeps what was accepted */
async function fire(edge: TestEdge, shots: readonly Shot[]): Promise<Map<string, Shot>> {
  const accepted = new Map<string, Shot>()
  const wrong: string[] = []
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
  const rest = shots.values()
  const lane = async () => {
    for (const shot of rest) {
      const { status, text, headers } = await post(edge.edge, shot.contract, shot.body, { agent })
      const { error, status: word } = JSON.parse(text)
      if (`${status} ${error ?? word}` !== `${shot.answer === 'accepted' ? 202 : 400} ${shot.answer}`) {
        wrong.push(`${shot.contract.name}, ${shot.name}: ${status} ${text}, not ${shot.answer}`)
      }
      if (status === 202) accepted.set(String(headers['tributary-entry']), shot)
    }
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, lane))
  agent.destroy()
  expect(wrong).toEqual([])
  return accepted
}

const without = (some: readonly string[], others: readonly string[]) => {
  const known = new Set(others)
  return some.filter((one) => !known.has(one))
}

test('hostile bodies get the answers and the letters that are documented, and stop nothing', async () => {
  const tributary = await openInProcess({ contracts: CONTRACTS })
  const { edge } = tributary
  const shots = CONTRACTS.flatMap(shotsAt)
  expect(shots.length).toBeGreaterThan(300 * CONTRACTS.length)
  const accepted = await fire(edge, shots)
  await tributary.drain()

  // Every letter that has to be there, none besides, and the edge's own for each 400.
  const letters = (await edge.letters()).map((letter) => {
    const field = (name: string) => letter.get(name)?.toString() ?? ''
    return [field('sink'), field('entry'), field('reason')].join(' ')
  })
  const expected = [...accepted].flatMap(([entry, { contract, fate }]) =>
    contract.sinks.flatMap((sink) => {
      const reason = WORKED_SINKS.some((one) => one === sink) ? reasonOf(fate, sink) : undefined
      return reason === undefined ? [] : [`${sink} ${entry} ${reason}`]
    }),
  )
  const named = (letter: string) => {
    const [, entry = ''] = letter.split(' ')
    const shot = accepted.get(entry)
    return `${letter}: ${shot?.contract.name}, ${shot?.name}`
  }
  const ofSinks = letters.filter((letter) => !letter.startsWith('edge '))
  expect(without(ofSinks, expected).map(named)).toEqual([])
  expect(without(expected, ofSinks).map(named)).toEqual([])
  expect(ofSinks.length).toBe(expected.length)
  const refused = shots.filter(({ answer }) => answer !== 'accepted')
  expect(letters.length - ofSinks.length).toBe(refused.length)

  // Whatever has no letter is in the stores.
  for (const ledger of await tributary.ledger([...accepted.keys()])) {
    expect(ledger).toMatchObject({ lost: [], doubled: [], pending: 0 })
    expect(ledger.delivered).toBeGreaterThan(300)
    expect(balances(ledger)).toBe(true)
  }
  const clean = [...accepted.values()].filter(
    ({ contract, fate }) => contract.sinks.includes('feed') && reasonOf(fate, 'feed') === undefined,
  )
  const records = await Promise.all(edge.keys.map((keys) => edge.redis.xlen(keys.feed)))
  expect(records.reduce((sum, count) => sum + count, 0)).toBe(clean.length)

  // Edge and workers are as they were.
  expect(edge.edge.stats()).toMatchObject({ inFlight: 0, bufferedBytes: 0, aborted: 0 })
  expect(edge.errors).toEqual([])
  await tributary.end()
})
