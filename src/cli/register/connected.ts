import { type Config, environment, readConfig } from '../../config.js'
import { CxoneClient } from '../../cxone/client.js'
import { AccessError, CxoneRefusal } from '../../cxone/errors.js'
import { KINDS, type Kind } from '../../cxone/registration/kinds.js'
import type { Caller } from '../../cxone/registration/remote.js'
import { missingScopes } from '../../cxone/scopes.js'
import { cxoneOptions } from '../../cxone/settings.js'
import { duration } from '../../text.js'
import { CommandError, interruption } from '../command.js'

/** Attempts to find out the scopes: the error is known without them. */
const QUICK = { attempts: 1, withinMs: 0 }

/**
 * Calls CXone while some work runs; failures that are retried go to standard error.
 * @param kinds what the work needs the scopes of
 * @throws ConfigError that names every missing variable · CommandError where CXone refuses, with the missing scopes ·
 * CxoneTransient where it does not answer
 */
export async function withCxone<T>(
  config: Config,
  kinds: readonly Kind[],
  work: (caller: Caller) => Promise<T>,
): Promise<T> {
  const client = new CxoneClient(cxoneOptions(config))
  const signal = interruption()
  const onRetry = ({ message }: Error, pauseMs: number) =>
    void process.stderr.write(`${message}. Trying again in ${duration(pauseMs)}\n`)
  try {
    return await work({ client, signal, onRetry })
  } catch (error) {
    if (signal.aborted) throw new CommandError('Interrupted. Run it again: what is done is not done twice')
    if (error instanceof CxoneRefusal) throw new CommandError(error.message, { cause: error })
    if (!(error instanceof AccessError)) throw error
    const hint = error.status === 403 ? await describeScopes(client, kinds, signal) : ''
    throw new CommandError(`${error.message}${hint}`, { cause: error })
  } finally {
    client.close()
  }
}

/** Reads the configuration of this process. */
export function readCxoneConfig(): Config {
  const config = readConfig(environment())
  // What is missing is said before anything else is checked.
  cxoneOptions(config)
  return config
}

async function describeScopes(
  client: CxoneClient,
  kinds: readonly Kind[],
  signal: AbortSignal,
): Promise<string> {
  const needed = [...new Set(kinds.flatMap((kind) => KINDS[kind].scopes))]
  // Not every host of CXone has `userinfo`: then all scopes are named.
  const missing = await missingScopes(client, needed, signal, QUICK).catch(() => undefined)
  if (missing === undefined) return `. It needs the scopes ${needed.join(' ')}`
  return missing.length > 0 ? `. The client lacks the scopes ${missing.join(' ')}` : ''
}
