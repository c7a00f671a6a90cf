import { ENTITIES } from '../schemas/index.js'
import { required } from '../src/config.js'
import { createPostgresSink } from '../src/sinks/postgres/sink.js'
import { type Role, startStoreWorker } from './role.js'

/** Writes events to Postgres. */
export const start: Role = (host) => {
  const url = required(host.config, 'POSTGRES_URL')
  const report = (line: string) => host.log.warn(line)
  return startStoreWorker(host, 'postgres', (signal) =>
    createPostgresSink({ url, entities: ENTITIES, signal, report }),
  )
}
