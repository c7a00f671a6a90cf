import { afterAll, afterEach, beforeAll, describe, expect, inject, test, vi } from 'vitest'
import { CONTRACTS } from '../../schemas/index.js'
import { secretsVariable } from '../../src/config.js'
import { Admission } from '../../src/edge/admission.js'
import { type Edge, startEdge } from '../../src/edge/server.js'
import { partitionKeys } from '../../src/stream/keys.js'
import { createProducer } from '../../src/stream/producer.js'
import { connectRedis, createRedis } from '../../src/stream/redis.js'
import { NO_TRACING } from '../../src/telemetry/tracing.js'
import { runCommandLine } from '../support/command-line.js'
import { guarded, HTTP } from '../support/edge.js'
import { freshName } from '../support/fresh.js'

const PREFIX = freshName('send')

describe('`tributary send` and `tributary status`, with a real edge', () => {
  const { redisUrl } = inject('services')
  const redis = createRedis(redisUrl, 'fail-fast', () => undefined)
  let edge: Edge
  let url: string
  beforeAll(async () => {
    await connectRedis(redis)
    edge = await startEdge({
      ...{
        http: HTTP,
        host: '127.0.0.1',
        port: 0,
        maxBodyBytes: 1_048_576,
        bodyTimeoutMs: 5_000,
        bufferBytes: 67_108_864,
        maxConnections: 100,
      },
      contracts: CONTRACTS.map((contract) => guarded(contract, ['the right one'])),
      producer: createProducer(redis, partitionKeys(PREFIX, 2)),
      admission: new Admission(),
      tracing: NO_TRACING,
      appendTimeoutMs: 5_000,
      onError: () => undefined,
      onTurnedAway: () => undefined,
    })
    url = `http://127.0.0.1:${edge.port}`
  })
  afterAll(async () => {
    await edge?.stop()
    redis.disconnect()
  })
  afterEach(() => {
    vi.unstubAllEnvs()
  })

  async function run(args: readonly string[], secret = 'the right one') {
    vi.stubEnv('STREAM_PREFIX', PREFIX)
    vi.stubEnv('PARTITIONS', '2')
    vi.stubEnv('REDIS_URL', redisUrl)
    for (const { name } of CONTRACTS) vi.stubEnv(secretsVariable(name), secret)
    return await runCommandLine(args)
  }

  test('every sample gets the answer that it expects, and what was accepted is in the stream', async () => {
    const { exitCode, out, err } = await run([
      'send',
      '--url',
      url,
      '--count',
      '300',
      '--rate',
      '1000',
      '--invalid',
      '0.3',
    ])
    expect(err).toBe('')
    expect(exitCode).toBe(0)
    const accepted = Number(/: (\d+) accepted/.exec(out)?.[1])
    expect(accepted).toBeGreaterThan(200)
    expect(out).toMatch(/^CONTRACT +ANSWER +REQUESTS\n/)
    expect(out).toMatch(/^cdc +202 accepted +\d+$/m)
    expect(out).toMatch(/^contact-sync +401 invalid_signature +\d+$/m)
    expect(out).toMatch(/^data-action +400 malformed_json +\d+$/m)

    const status = JSON.parse((await run(['status', '--json'])).out)
    expect(status.groups).toEqual(
      ['postgres', 'mongo', 'feed'].map((group) => ({
        ...{
          group,
          missingPartitions: 2,
          undelivered: accepted,
          pending: 0,
          oldestAgeMs: expect.any(Number),
        },
        ...{ consumers: 0, silentConsumers: 0, deadLetters: 0 },
      })),
    )
    expect(status.edge.deadLetters).toBeGreaterThan(10)
    const table = (await run(['status'])).out
    expect(table).toMatch(new RegExp(`^postgres +${accepted} +0 +\\d.* m?s +0 +0$`, 'm'))
    expect(table).toMatch(new RegExp(`^edge +- +- +- +- +${status.edge.deadLetters}$`, 'm'))
    expect(table).toContain(
      'mongo: no consumer group yet. `tributary start mongo` creates it and misses nothing.',
    )
  })

  test('answers that are not the expected ones are described, and the exit code is 1', async () => {
    const { exitCode, out, err } = await run(
      ['send', '--url', url, '--count', '8', '--rate', '1000'],
      'a wrong one',
    )
    expect(exitCode).toBe(1)
    expect(out).toContain('401 invalid_signature')
    expect(err).toMatch(
      /^Error: \d answers are not as expected:\n {2}.*Are the secrets here those of the edge\?$/m,
    )
  })

  test('an edge that does not run is reported with the cause and the remedy', async () => {
    const { exitCode, out, err } = await run(['send', '--url', 'http://127.0.0.1:1'])
    expect({ exitCode, out }).toEqual({ exitCode: 1, out: '' })
    expect(err).toMatch(/No edge answers at http:\/\/127\.0\.0\.1:1 \(ECONNREFUSED\).*`tributary start edge`/)
  })
})
