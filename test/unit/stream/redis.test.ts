import { ReplyError } from 'ioredis'
import { describe, expect, it } from 'vitest'
import { TransientError } from '../../../src/errors.js'
import { redisError } from '../../../src/stream/redis.js'

const reply = (message: string) => new ReplyError(message)

describe('redisError', () => {
  it.each([
    new Error('Connection is closed.'),
    new Error("Stream isn't writeable and enableOfflineQueue options is false"),
    Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:6379'), { code: 'ECONNREFUSED' }),
    reply("OOM command not allowed when used memory > 'maxmemory'."),
    reply("OOM command not allowed when used memory > 'maxmemory'. script: 5a, on @user_script:22."),
    reply(
      "ERR Error running script (call to f_5a): @user_script:22: @user_script: 22: -OOM command not allowed when used memory > 'maxmemory'.",
    ),
    reply('LOADING Redis is loading the dataset in memory'),
    reply("READONLY You can't write against a read only replica."),
    reply('MISCONF Redis is configured to save RDB snapshots'),
    reply('CLUSTERDOWN The cluster is down'),
    reply('MOVED 9842 127.0.0.1:7001'),
    new Error('Too many Cluster redirections. Last error: Error: Connection is closed.'),
    reply('UNBLOCKED the stream key no longer exists'),
    reply("NOGROUP No such key 'x' or consumer group 'y'"),
  ])('says that this passes: $message', (error) => {
    const passing = redisError(error, 'read entries')
    expect(passing).toBeInstanceOf(TransientError)
    expect(passing).toMatchObject({ cause: error })
    expect(String(passing)).toContain('Redis cannot read entries now: ')
  })

  it.each([
    reply('ERR unknown command XADDX'),
    reply('WRONGTYPE Operation against a key holding the wrong kind of value'),
    reply('BUSYGROUP Consumer Group name already exists'),
    reply("NOPERM this user has no permissions to run the 'xadd' command"),
    reply('ERR Error running script (call to f_5a): @user_script:3: attempt to index a nil value'),
    new TypeError('x is not a function'),
    new RangeError('Maximum call stack size exceeded'),
    'no error at all',
  ])('leaves a bug as it is: %s', (error) => {
    expect(redisError(error, 'read entries')).toBe(error)
  })
})
