import { existing } from './existing.js'
import { downloadMongod } from './memory-server.js'
import { pingMongo } from './ping.js'
import { versionOf } from './run.js'
import { SECANTUSDB, secantusdb } from './secantusdb.js'
import { dataIn, type Recipe, startServer } from './server.js'
import { type EmbeddedOptions, inData, oneOf, reason, type Service } from './service.js'

export interface MongoOptions extends EmbeddedOptions {
  /** For fault tests: enables `configureFailPoint`, with which a test makes commands fail. */
  readonly failPoints?: boolean
}

/** One way to get a server. Throws an Error that says what it lacks. */
type Way = (o: MongoOptions) => Promise<Recipe>

const WAYS = { mongod: onPath, 'memory-server': downloaded, secantusdb: compatible } as const
const CHOICES = ['mongod', 'memory-server', 'secantusdb', 'none'] as const

/**
 * MongoDB, or a server with the same protocol.
 * Takes the first that works: `url`, `mongod` on PATH ("mongod"), a mongod downloaded by mongodb-memory-server
 * ("memory-server"), SecantusDB from the Python package index ("secantusdb"), none with a warning ("none").
 * @returns undefined when no way works; the report says why
 * @throws Error when the server does not start, `url` does not answer, or the forced choice does not work
 */
export async function startMongo(o: MongoOptions): Promise<Service | undefined> {
  const choice = oneOf('MongoDB', o.choice, CHOICES)
  if (o.url) return await existing('mongodb', 'MONGODB_URL', o.url, pingMongo)
  if (choice === 'none') {
    o.report('MongoDB is left out, as EMBEDDED_MONGODB asks: nothing is written to it')
    return undefined
  }
  if (choice !== undefined) return await startServer(await WAYS[choice](o), o)
  const recipe = await firstThatWorks(Object.entries(WAYS), o)
  return recipe && (await startServer(recipe, o))
}

async function firstThatWorks(ways: [string, Way][], o: MongoOptions): Promise<Recipe | undefined> {
  const causes: string[] = []
  for (const [name, way] of ways) {
    try {
      return await way(o)
    } catch (error) {
      o.signal.throwIfAborted()
      causes.push(`${name}: ${reason(error)}`)
    }
  }
  o.report(
    'WARNING: there is no MongoDB, and nothing is written to it; everything else runs. Set MONGODB_URL to a server ' +
      `that runs, or install mongod. Tried:\n  ${causes.join('\n  ')}`,
  )
  return undefined
}

async function onPath(o: MongoOptions): Promise<Recipe> {
  const version = mongodVersion(await versionOf('mongod', o.signal))
  if (version === undefined) throw new Error('mongod is not on PATH')
  return mongod(o, 'mongod', `mongod ${version} from PATH`)
}

async function downloaded(o: MongoOptions): Promise<Recipe> {
  const path = await downloadMongod(o)
  const version = mongodVersion(await versionOf(path, o.signal))
  if (version === undefined) throw new Error(`the downloaded ${path} does not run on this system`)
  return mongod(o, path, `mongod ${version}, downloaded`)
}

function mongodVersion(answer: string | undefined): string | undefined {
  return /db version v(\S+)/.exec(answer ?? '')?.[1]
}

function mongod(o: MongoOptions, command: string, title: string): Recipe {
  const dataDir = inData(o, 'mongodb')
  const flags = '--bind_ip 127.0.0.1 --nounixsocket --quiet'.split(' ')
  if (o.failPoints) flags.push('--setParameter', 'enableTestCommands=1')
  return {
    ...common(),
    chose: `${title}, ${dataIn(dataDir)}`,
    command,
    args: (port) => [...flags, '--port', String(port), '--dbpath', dataDir],
    dataDir,
  }
}

async function compatible(o: MongoOptions): Promise<Recipe> {
  const [command, ...before] = await secantusdb(o)
  const dataDir = inData(o, 'secantusdb')
  const flags = '--host 127.0.0.1 --sync-on-commit --log-level WARNING --cache-size 256M'.split(' ')
  if (o.failPoints) flags.push('--enable-test-commands')
  return {
    ...common(),
    chose: `SecantusDB ${SECANTUSDB} (MongoDB-compatible), ${dataIn(dataDir)}`,
    command,
    args: (port) => [...before, ...flags, '--port', String(port), '--storage-path', dataDir],
    dataDir,
  }
}

function common() {
  // SecantusDB reports itself as a replica set of one; a direct connection does not look for other members.
  const url = (port: number) => `mongodb://127.0.0.1:${port}/?directConnection=true`
  const ping = (port: number) => pingMongo(url(port))
  return { name: 'mongodb', url, ping, stopSignal: 'SIGTERM' } as const
}
