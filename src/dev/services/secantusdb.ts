import { join } from 'node:path'
import { pythonEnvironment } from './python.js'
import type { EmbeddedOptions } from './service.js'

/** Version of SecantusDB, a MongoDB-compatible server from the Python package index. */
export const SECANTUSDB = '0.7.0b3'

/**
 * Installs SecantusDB, unless it is installed already. @returns the command that runs it
 * @throws Error that says what is missing; the signal's reason once it is aborted
 */
export async function secantusdb(o: EmbeddedOptions): Promise<readonly [string, ...string[]]> {
  const about = 'MongoDB-compatible, about 150 MB'
  const bin = await pythonEnvironment({ name: 'secantusdb', version: SECANTUSDB, about }, o)
  return [join(bin, 'python'), join(bin, 'secantusd-py')]
}
