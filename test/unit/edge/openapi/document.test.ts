import { Validator } from '@seriousme/openapi-schema-validator'
import { describe, expect, it } from 'vitest'
import { AUTHENTICATIONS, type Authentication } from '../../../../schemas/authentication.js'
import { CONTRACTS } from '../../../../schemas/index.js'
import { createProgram } from '../../../../src/cli/program.js'
import { ERROR_RESPONSES } from '../../../../src/edge/error-response.js'
import { describeApi, type OpenApi } from '../../../../src/edge/openapi/document.js'
import { MANIFEST } from '../../../../src/manifest.js'
import { runCommandLine } from '../../../support/command-line.js'

const own = CONTRACTS.map((contract) => ({ contract, schemes: [contract.authentication] }))
const api = describeApi(own, 8080)

/** As the edge sends it: nothing that JSON leaves out. */
const asJson = (document: OpenApi): Record<string, unknown> => JSON.parse(JSON.stringify(document))

async function errorsOf(document: OpenApi): Promise<unknown> {
  const validator = new Validator()
  const { valid, errors } = await validator.validate(asJson(document))
  expect(validator.version).toBe('3.1')
  return valid ? [] : errors
}

/** Everything that an answer's `error` may be, in the whole document. */
function codesIn(document: unknown): string[] {
  return [...JSON.stringify(document).matchAll(/"error":\{[^{}]*"enum":\[([^\]]*)\]/g)].flatMap(([, codes]) =>
    JSON.parse(`[${codes}]`),
  )
}

describe('the API description', () => {
  it('is OpenAPI 3.1 by its official schema, whatever is configured', async () => {
    expect(await errorsOf(api)).toEqual([])
    const every: Authentication[] = Object.values(AUTHENTICATIONS)
    expect(
      await errorsOf(
        describeApi(
          CONTRACTS.map((contract) => ({ contract, schemes: every })),
          1,
        ),
      ),
    ).toEqual([])
  })

  it('has every contract, with an example that its schemas accept', () => {
    expect(Object.keys(api.paths)).toEqual(CONTRACTS.map(({ path }) => path))
    for (const { name, path, body, event, events } of CONTRACTS) {
      const { requestBody, operationId } = api.paths[path]?.post ?? {}
      expect(operationId).toBe(name)
      expect(Object.keys(api.components.schemas)).toContain(`${name}.event`)
      const { content } = requestBody as {
        content: Record<string, { examples: { event: { value: unknown } } }>
      }
      const example = content['application/json']?.examples.event.value
      expect(body.matches(example), name).toBe(true)
      for (const one of events(example)) expect(event.matches(event.coerce(one)), name).toBe(true)
    }
  })

  it('has every answer of the edge', () => {
    expect([...new Set(codesIn(api))].toSorted()).toEqual(Object.keys(ERROR_RESPONSES).toSorted())
    for (const { contract } of own) {
      const { responses } = api.paths[contract.path]?.post ?? { responses: {} }
      expect(Object.keys(responses)).toEqual(['202', '400', '401', '408', '413', '431', '503'])
      expect(codesIn(responses).includes('missing_signature')).toBe(contract.reportsMissingSignature)
    }
    const { 405: method, 404: path } = api.components.responses
    expect(method).toMatchObject({ headers: { Allow: { schema: { const: 'POST' } } } })
    expect(path).toBeDefined()
  })

  it('says what proof is configured', () => {
    const [contract] = CONTRACTS
    if (!contract) throw new Error('no contract')
    const securityOf = (schemes: readonly Authentication[]) => {
      const { paths, components } = describeApi([{ contract, schemes }], 1)
      return { ...paths[contract.path]?.post, schemes: components.securitySchemes }
    }
    const nexus = securityOf([AUTHENTICATIONS['hmac-timestamp'], AUTHENTICATIONS.bearer])
    expect(nexus.security).toEqual([{ 'cdc.hmac': [], 'cdc.timestamp': [] }, { 'cdc.bearer': [] }])
    expect(nexus.schemes['cdc.timestamp']).toMatchObject({ name: 'X-Nexus-Timestamp', in: 'header' })
    expect(nexus.schemes['cdc.bearer']).toMatchObject({ type: 'http', scheme: 'bearer' })
    const open = securityOf([AUTHENTICATIONS.none])
    expect(open.security).toEqual([{}])
    expect(Object.keys(open.responses ?? {})).not.toContain('401')
  })

  it('lets numbers arrive as text where the contract does', () => {
    const { properties } = api.components.schemas['validated.event'] as {
      properties: { data: { properties: Record<string, unknown> } }
    }
    expect(properties.data.properties.duration_seconds).toMatchObject({
      anyOf: [{ type: 'integer' }, { type: 'string' }],
    })
    expect(JSON.stringify(api)).not.toContain('fromText')
  })

  it('is printed by `tributary openapi`, without a secret being set', async () => {
    const { out, exitCode } = await runCommandLine(['openapi'], createProgram)
    expect(exitCode).toBe(0)
    const printed = JSON.parse(out) as OpenApi
    expect(printed.info).toMatchObject({ version: MANIFEST.version })
    expect(Object.keys(printed.paths)).toEqual(Object.keys(api.paths))
  })
})
