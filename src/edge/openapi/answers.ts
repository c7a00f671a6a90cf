import { ACCEPTED } from '../answer.js'
import { ERROR_RESPONSES, type ErrorCode, errorResponseOf } from '../error-response.js'
import { CONTENT_TYPE } from '../http/http.js'

/** OpenAPI's Responses of an operation, by status. */
export type Answers = Record<string, object>

/** Describes every answer to a post; `codes` are the refusals that it can get. */
export function describeAnswers(codes: readonly ErrorCode[]): Answers {
  return { 202: accepted(), ...describeRefusals(codes) }
}

/** Describes refusals, grouped by status. */
export function describeRefusals(codes: readonly ErrorCode[]): Answers {
  const byStatus = new Map<string, ErrorCode[]>()
  for (const code of codes) {
    const status = errorResponseOf(code).status.slice(0, 3)
    byStatus.set(status, [...(byStatus.get(status) ?? []), code])
  }
  return Object.fromEntries([...byStatus].map(([status, own]) => [status, refusal(own)]))
}

/** All refusals. */
export const CODES = Object.keys(ERROR_RESPONSES) as ErrorCode[]

function accepted(): object {
  return {
    description: 'The request is in the log',
    headers: {
      'Tributary-Entry': {
        required: true,
        description: 'Where it stands there: `<partition>/<entry id>`',
        schema: { type: 'string', pattern: '^\\d+/\\d+-\\d+$', examples: ['0/1763780760125-0'] },
      },
    },
    content: {
      [CONTENT_TYPE]: {
        schema: {
          type: 'object',
          required: ['status'],
          properties: { status: { const: 'accepted' } },
          additionalProperties: false,
        },
        examples: { accepted: { value: JSON.parse(ACCEPTED) as unknown } },
      },
    },
  }
}

/** @param codes refusals with the same status */
function refusal(codes: readonly ErrorCode[]): object {
  const headers = {
    ...(codes.includes('method_not_allowed') && {
      Allow: { required: true, schema: { type: 'string', const: 'POST' } },
    }),
    ...(codes.some((code) => errorResponseOf(code).retry) && {
      'Retry-After': {
        required: true,
        description: 'Seconds after which to send the request again',
        schema: { type: 'integer', minimum: 1 },
      },
    }),
  }
  return {
    description: codes.map((code) => `\`${code}\`: ${errorResponseOf(code).message}`).join('. '),
    headers,
    content: {
      [CONTENT_TYPE]: {
        schema: {
          type: 'object',
          required: ['error', 'message'],
          properties: {
            error: { description: 'Stable', enum: codes },
            message: { type: 'string', description: 'For a person; may say more exactly what is wrong' },
          },
          additionalProperties: false,
        },
        examples: Object.fromEntries(
          codes.map((code) => [code, { value: { error: code, message: errorResponseOf(code).message } }]),
        ),
      },
    },
  }
}
