import { readFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { MANIFEST } from '../../src/manifest.js'
import type { Fixture } from './fixture.js'

/** On what, with which versions: without it a figure says nothing. */
export function describeMachine({ redis, postgres, mongo }: Fixture): Readonly<Record<string, string>> {
  const [cpu] = cpus()
  return {
    date: new Date().toISOString(),
    machine: `${cpus().length} x ${cpu?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `${distribution()}, Linux ${release()}`,
    node: process.version,
    tributary: MANIFEST.version,
    redis: redis.chose.replace(/, data in .*/, ''),
    postgres: postgres.chose.replace(/, data in .*/, ''),
    mongo: mongo.chose.replace(/, data in .*/, ''),
  }
}

function distribution(): string {
  const text = readFileSync('/etc/os-release', 'utf8')
  return /^PRETTY_NAME="(.*)"/m.exec(text)?.[1] ?? 'an unknown distribution'
}
