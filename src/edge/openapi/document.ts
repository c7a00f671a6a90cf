import type { TSchema } from 'typebox'
import { type Authentication, isOpen } from '../../../schemas/authentication.js'
import type { Contract } from '../../../schemas/contract.js'
import { MANIFEST } from '../../manifest.js'
import type { ErrorCode } from '../error-response.js'
import { type Answers, CODES, describeAnswers, describeRefusals } from './answers.js'
import { describeSecurity } from './security.js'

/** A contract, and how its requests are authenticated. */
export interface DescribedContract {
  readonly contract: Contract
  readonly schemes: readonly Authentication[]
}

/** An OpenAPI 3.1 description: plain JSON. */
export interface OpenApi {
  readonly openapi: string
  readonly info: object
  readonly servers: readonly object[]
  readonly paths: Readonly<Record<string, { readonly post: Operation }>>
  readonly components: {
    readonly schemas: Readonly<Record<string, object>>
    readonly securitySchemes: Readonly<Record<string, object>>
    readonly responses: Answers
  }
}

interface Operation {
  readonly operationId: string
  readonly summary: string
  readonly description: string
  readonly responses: Answers
  readonly security: readonly object[]
  readonly requestBody: object
}

/** Refusals of requests that are not posts to a contract. */
const STRAY: readonly ErrorCode[] = ['not_found', 'method_not_allowed']

/**
 * Describes the edge, from the contracts and the configuration alone.
 * @param port where the edge listens
 */
export function describeApi(contracts: readonly DescribedContract[], port: number): OpenApi {
  const schemes = contracts.map(({ contract, schemes }) => describeSecurity(contract.name, schemes).schemes)
  return {
    openapi: '3.1.0',
    info: {
      title: 'Tributary',
      version: MANIFEST.version,
      description: `${MANIFEST.description}. Everything but a 2xx is for the sender to send again.`,
    },
    servers: [
      {
        url: 'http://{host}',
        description: 'The edge; TLS ends in front of it',
        variables: { host: { default: `localhost:${port}` } },
      },
    ],
    paths: Object.fromEntries(contracts.map((one) => [one.contract.path, { post: describePost(one) }])),
    components: {
      schemas: Object.fromEntries(
        contracts.map(({ contract }) => [eventName(contract), plain(contract.event.schema)]),
      ),
      securitySchemes: Object.assign({}, ...schemes),
      responses: describeRefusals(STRAY),
    },
  }
}

function describePost({ contract, schemes }: DescribedContract): Operation {
  const { name, summary, body } = contract
  const example = exampleOf(contract)
  return {
    operationId: name,
    summary,
    description:
      'The answer 202 says that the request is kept. Its events are checked one by one afterwards: one that is not ' +
      `as \`${eventName(contract)}\` says becomes a dead letter, alone.`,
    security: describeSecurity(name, schemes).requirements,
    requestBody: {
      required: true,
      content: {
        'application/json': {
          schema: plain(body.schema),
          ...(example !== undefined && { examples: { event: { value: example } } }),
        },
      },
    },
    responses: describeAnswers(CODES.filter((code) => canMeet(contract, schemes, code))),
  }
}

/** Whether a post to this contract can get this refusal. */
function canMeet(
  { body, reportsMissingSignature }: Contract,
  schemes: readonly Authentication[],
  code: ErrorCode,
): boolean {
  if (STRAY.includes(code)) return false
  if (code === 'missing_signature') return reportsMissingSignature && !isOpen({ schemes })
  if (code === 'invalid_signature') return !isOpen({ schemes })
  return code !== 'invalid_body' || Object.keys(plain(body.schema)).length > 0
}

function eventName({ name }: Contract): string {
  return `${name}.event`
}

/** A body with the example event of the contract's schema; `undefined` where it has no example. */
function exampleOf({ event: { schema }, list }: Contract): unknown {
  const [example]: unknown[] = 'examples' in schema && Array.isArray(schema.examples) ? schema.examples : []
  return list === undefined || example === undefined ? example : { [list]: [example] }
}

/** The offsets that a timestamp may have: RFC 3339 has more, which Postgres does not read. */
const OFFSET = '([Zz]|[+-](0\\d|1[0-5])(:?[0-5]\\d)?)$'

/**
 * A schema as plain JSON Schema; a number that may arrive as text is described so, and a timestamp has the pattern of
 * its offset.
 */
function plain(schema: TSchema): object {
  return JSON.parse(JSON.stringify(schema), (_, value: unknown) => {
    if (typeof value !== 'object' || value === null) return value
    if ('format' in value && value.format === 'date-time') return { ...value, pattern: OFFSET }
    if (!('fromText' in value)) return value
    const { fromText, ...number } = value
    return { anyOf: [number, { type: 'string', description: 'The same number as text' }] }
  }) as object
}
