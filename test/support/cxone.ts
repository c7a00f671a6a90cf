import { onTestFinished } from 'vitest'
import { CxoneClient, type CxoneOptions } from '../../src/cxone/client.js'
import { ALL_SCOPES, CxoneServer } from '../../src/dev/cxone/server.js'
import type { Grant } from '../../src/dev/cxone/tokens.js'

/** Starts a stand-in for CXone, until the test ends. */
export async function startCxone(grant: Partial<Grant> = {}): Promise<CxoneServer> {
  const server = new CxoneServer({
    clientId: 'client',
    clientSecret: 'sword/fish',
    scopes: ALL_SCOPES,
    ...grant,
  })
  await server.listen()
  onTestFinished(() => server.close())
  return server
}

/** A client of it, until the test ends. */
export function clientOf(server: CxoneServer, more: Partial<CxoneOptions> = {}): CxoneClient {
  const { clientId, clientSecret } = server.grant
  const client = new CxoneClient({
    ...{ apiUrl: server.url, tokenUrl: server.tokenUrl, clientId, clientSecret },
    ...{ rate: 1_000, timeoutMs: 10_000 },
    ...more,
  })
  onTestFinished(() => client.close())
  return client
}

/** What a promise is rejected with. */
export async function failureOf(promise: Promise<unknown>): Promise<Error> {
  const outcome = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  )
  if ('error' in outcome && outcome.error instanceof Error) return outcome.error
  throw new Error(`It was expected to fail, but gave ${JSON.stringify(outcome)}`)
}
