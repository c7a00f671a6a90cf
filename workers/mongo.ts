import { ENTITIES } from '../schemas/index.js'
import { required } from '../src/config.js'
import { createMongoSink } from '../src/sinks/mongo/sink.js'
import { type Role, startStoreWorker } from './role.js'

/** Writes events to MongoDB. */
export const start: Role = (host) => {
  const { config } = host
  const url = required(config, 'MONGODB_URL')
  const databases = { state: config.MONGODB_STATE_DATABASE, events: config.MONGODB_EVENTS_DATABASE }
  const report = (line: string) => host.log.warn(line)
  return startStoreWorker(host, 'mongo', () =>
    createMongoSink({ url, databases, entities: ENTITIES, report }),
  )
}
