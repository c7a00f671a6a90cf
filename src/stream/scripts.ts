import { readFileSync } from 'node:fs'
import type { Redis } from 'ioredis'

/** Values that a script takes. */
type Arguments = readonly (string | number | Buffer)[]
/** A Lua script as a function; sent by its hash, and in full where Redis does not know it yet. */
export type Script = (redis: Redis, keys: readonly string[], args: Arguments) => Promise<unknown>

/**
 * Loads `scripts/<name>.lua`, whose head documents KEYS and ARGV.
 * A script is sent by its SHA-1; after a Redis restart it is sent once in full again.
 */
export function loadScript(name: string): Script {
  const lua = readFileSync(new URL(`./scripts/${name}.lua`, import.meta.url), 'utf8')
  const command = `tributary_${name}`
  return (redis, keys, args) => {
    if (!(command in redis)) redis.defineCommand(command, { lua })
    const run = Reflect.get(redis, command) as (...values: unknown[]) => Promise<unknown>
    // As arrays: a call has room for about 100,000 arguments, and a script may have more.
    return run.call(redis, keys.length, keys, args)
  }
}
