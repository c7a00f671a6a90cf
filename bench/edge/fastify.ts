import { createHmac, timingSafeEqual } from 'node:crypto'
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import { cdc } from '../../schemas/cdc.js'
import { SECRET } from '../load/bodies.js'

/**
 * What a good team would write: Fastify, HMAC over the raw body, JSON, XADD, answer.
 * Arguments: URL of Redis, key of the stream, `pipelined` or `alone`.
 */
const [, , url = '', stream = '', manner = ''] = process.argv
const redis = new Redis(url, { enableAutoPipelining: manner === 'pipelined' })
const app = Fastify({ bodyLimit: 1_048_576 })

app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) =>
  done(null, body),
)

app.post(cdc.path, async (request, reply) => {
  const body = request.body as Buffer
  const expected = createHmac('sha256', SECRET).update(body).digest()
  const given = Buffer.from(String(request.headers['x-nice-webhook-signature'] ?? ''), 'base64')
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    return reply.code(401).send({ error: 'invalid signature' })
  }
  const event = JSON.parse(body.toString()) as Record<string, unknown>
  if (typeof event.eventType !== 'string') return reply.code(400).send({ error: 'no event type' })
  await redis.xadd(stream, '*', 'source', 'cdc', 'body', body)
  return reply.code(202).send({ status: 'accepted' })
})

await app.listen({ host: '127.0.0.1', port: 0 })
const address = app.server.address()
if (address === null || typeof address === 'string') throw new Error('Fastify has no port')
process.send?.(address.port)
