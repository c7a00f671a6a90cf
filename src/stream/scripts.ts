import { readFileSync } from 'node:fs'
import type { RedisClient } from './redis.js'

/** Arguments of a script. */
export type Arguments = readonly (string | number | Buffer)[]
/** A Lua script as a function; sent by its hash, and in full when Redis does not know it yet. */
export interface Script {
  (redis: RedisClient, keys: readonly string[], args: Arguments): Promise<unknown>
  /** Its text, for callers that must send the whole script. */
  readonly lua: string
}

/**
 * Loads `scripts/<name>.lua`, whose header documents KEYS and ARGV.
 * A script is sent by its SHA-1; after a Redis restart it is sent once in full again.
 * @param reply `binary`: strings in the reply are returned as buffers
 */
export function loadScript(name: string, reply: 'text' | 'binary' = 'text'): Script {
  const lua = readFileSync(new URL(`./scripts/${name}.lua`, import.meta.url), 'utf8')
  const command = `tributary_${name}`
  const call = (redis: RedisClient, keys: readonly string[], args: Arguments) => {
    if (!(command in redis)) redis.defineCommand(command, { lua })
    const run = Reflect.get(redis, reply === 'binary' ? `${command}Buffer` : command) as (
      ...values: unknown[]
    ) => Promise<unknown>
    // Passes arrays: a JavaScript call takes about 100,000 arguments, and a script may have more.
    return run.call(redis, keys.length, keys, args)
  }
  return Object.assign(call, { lua })
}
