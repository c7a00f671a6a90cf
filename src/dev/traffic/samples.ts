import type { Contract } from '../../../schemas/contract.js'
import type { ErrorCode } from '../../edge/error-response.js'
import type { Author, ExpectedDeadLetter, Fault, Spoiled, World } from './author.js'
import { cdcAuthor } from './cdc.js'
import { contactSyncAuthor } from './contact-sync.js'
import { dataActionAuthor } from './data-action.js'
import { risingClock } from './history.js'
import { interactionUpdateAuthor } from './interaction-update.js'
import { Random } from './random.js'
import { validatedAuthor } from './validated.js'
import { vocabulary } from './vocabulary.js'

/** One request as CXone might send it, and its expected outcome. */
export interface SampleRequest {
  readonly contract: Contract
  readonly body: Buffer
  /** Where the contract has secrets: whether the signature is right, wrong or missing. */
  readonly signature: 'right' | 'wrong' | 'missing'
  /** `late`: its events are older than earlier ones of their keys; `duplicate`: the body has been sent before. */
  readonly kind: 'ordinary' | 'late' | 'duplicate' | Fault
  /** The edge's answer: `accepted` (202) or an error code. */
  readonly expect: 'accepted' | ErrorCode
  /** The dead letter that workers must write for it; left out where everything can be delivered. */
  readonly letter?: ExpectedDeadLetter
}

/** Options of {@link sampleRequests}. Each share is 0 to 1, and together they are at most 1. */
export interface SampleOptions {
  /** The same seed makes the same requests, except for their times. It is also part of all keys. */
  readonly seed: number
  /** Names of contracts. Default: all. */
  readonly contracts?: readonly string[]
  /** Names of contracts without authentication: they get no samples with a wrong or missing signature. */
  readonly unsigned?: readonly string[]
  /** Number of requests. Default: no end. */
  readonly count?: number
  /** Share of late events. Default 0. */
  readonly late?: number
  /** Share of repeated bodies. Default 0. */
  readonly duplicate?: number
  /** Share of requests that must be refused or dead-lettered. Default 0. */
  readonly invalid?: number
  /** Number of keys of each entity. Default 200. */
  readonly keys?: number
  /** The time in milliseconds since 1970. Default: the real one. */
  readonly now?: () => number
}

const AUTHORS: Readonly<Record<string, (world: World) => Author>> = {
  cdc: cdcAuthor,
  'contact-sync': contactSyncAuthor,
  'data-action': dataActionAuthor,
  'interaction-update': interactionUpdateAuthor,
  validated: validatedAuthor,
}

/** Number of the newest valid requests from which a duplicate is chosen. */
const MEMORY = 200

/**
 * Makes sample requests, one at a time when the caller asks for the next. Costs about 30 us each.
 * @throws Error where the shares add up to more than 1, or a contract has no samples
 */
export function* sampleRequests(options: SampleOptions): Generator<SampleRequest, void, undefined> {
  const { count = Number.POSITIVE_INFINITY, late = 0, duplicate = 0, invalid = 0 } = options
  if (late + duplicate + invalid > 1) {
    throw new Error(`The shares late, duplicate and invalid make ${late + duplicate + invalid}, more than 1`)
  }
  const { contracts = Object.keys(AUTHORS), unsigned = [] } = options
  const world = createWorld(options)
  const { random } = world
  const authors = contracts.map((name) => createAuthor(name, world))
  // Invalid requests have authors of their own, so that they do not change the histories of the valid ones.
  const invalidAuthors = contracts.map((name) => createAuthor(name, world))
  const sent: SampleRequest[] = []
  let valid = 0
  for (let made = 0; made < count; made++) {
    const roll = random.next()
    if (roll < invalid) yield invalidRequest(random, random.pick(invalidAuthors), unsigned)
    else if (roll < invalid + duplicate && sent.length > 0) yield { ...random.pick(sent), kind: 'duplicate' }
    else {
      const request = validRequest(random.pick(authors), roll < invalid + duplicate + late)
      sent[valid++ % MEMORY] = request
      yield request
    }
  }
}

function createWorld({ seed, keys = 200, now = Date.now }: SampleOptions): World {
  const random = new Random(seed)
  const run = (seed >>> 0).toString(36)
  return { random, clock: risingClock(now), words: vocabulary(random), run, keys }
}

function createAuthor(name: string, world: World): Author {
  const create = AUTHORS[name]
  if (create) return create(world)
  throw new Error(`There are no samples of "${name}", only of ${Object.keys(AUTHORS).join(', ')}`)
}

function validRequest({ contract, write, writeLate }: Author, late: boolean): SampleRequest {
  const lateBody = late ? writeLate() : undefined
  const kind = lateBody === undefined ? 'ordinary' : 'late'
  return { contract, body: json(lateBody ?? write()), signature: 'right', kind, expect: 'accepted' }
}

function invalidRequest(random: Random, author: Author, unsigned: readonly string[]): SampleRequest {
  const { contract } = author
  const faults = [
    ...author.spoil.map((spoil) => () => spoiled(contract, spoil())),
    () => malformed(random, author),
  ]
  if (!unsigned.includes(contract.name)) {
    faults.push(
      () => badlySigned(author, 'wrong'),
      () => badlySigned(author, 'missing'),
    )
  }
  return random.pick(faults)()
}

function spoiled(contract: Contract, { fault, body, letter }: Spoiled): SampleRequest {
  return {
    contract,
    body: json(body),
    signature: 'right',
    kind: fault,
    expect: letter ? 'accepted' : 'invalid_body',
    ...(letter && { letter }),
  }
}

/** A body that was cut off on its way. */
function malformed(random: Random, { contract, write }: Author): SampleRequest {
  const whole = json(write())
  const body = whole.subarray(0, random.between(1, whole.length - 1))
  return { contract, body, signature: 'right', kind: 'malformed JSON', expect: 'malformed_json' }
}

function badlySigned({ contract, write }: Author, signature: 'wrong' | 'missing'): SampleRequest {
  const kind = signature === 'wrong' ? 'wrong signature' : 'no signature'
  const isReported = signature === 'missing' && contract.reportsMissingSignature
  const expect = isReported ? 'missing_signature' : 'invalid_signature'
  return { contract, body: json(write()), signature, kind, expect }
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}
