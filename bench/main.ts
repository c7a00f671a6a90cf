import { writeFileSync } from 'node:fs'
import { Command, InvalidArgumentError } from 'commander'
import { againstSuite } from './against.js'
import { edgeSuite } from './edge.js'
import { endToEndSuite } from './end-to-end.js'
import { scaleSuite } from './scale.js'
import { openFixture } from './support/fixture.js'
import { describeMachine } from './support/machine.js'
import { isValid, type Report, sectionOf, toMarkdown } from './support/report.js'
import type { Suite } from './support/suite.js'
import { telemetrySuite } from './telemetry.js'
import { mongoSuite, postgresSuite } from './workers.js'

interface Options {
  readonly quick: boolean
  readonly only: readonly Suite[]
  readonly against?: string
  readonly json?: string
  readonly markdown?: string
}

const SUITES: readonly Suite[] = [
  edgeSuite,
  postgresSuite,
  mongoSuite,
  endToEndSuite,
  scaleSuite,
  telemetrySuite,
]
const NAMES = SUITES.map(({ name }) => name)

function parseSuites(text: string): readonly Suite[] {
  const names = text.split(',')
  const unknown = names.filter((name) => !NAMES.includes(name))
  if (unknown.length > 0) {
    throw new InvalidArgumentError(`There is no suite ${unknown.join(', ')}: choose from ${NAMES.join(', ')}`)
  }
  return SUITES.filter(({ name }) => names.includes(name))
}

const say = (line: string) => void process.stderr.write(`${line}\n`)

const command = new Command('npm run bench --')
  .description(
    'Measure throughput and latency on real servers, beside baselines, and print a table with ratios',
  )
  .option('--quick', 'about 3 minutes instead of 25: fewer cases', false)
  .option('--only <suites>', `some of ${NAMES.join(', ')}, comma-separated`, parseSuites, SUITES)
  .option('--against <folder>', 'compare with another built checkout alone, in turn')
  .option('--json <file>', 'write all figures there, too')
  .option('--markdown <file>', 'write the table there, too')
  .addHelpText(
    'after',
    `
Every run has a ledger: what was acknowledged is stored or dead-lettered, or the run counts for nothing.
Progress goes to standard error, the table to standard output.

Examples:
  $ npm run bench                                    all of it
  $ npm run bench -- --quick
  $ npm run bench -- --only edge --json edge.json
  $ npm run bench -- --against ../before             "before" is a git worktree with npm ci && npm run build

Exit code 0: every run counted. 1: a ledger did not balance.`,
  )
  .action(async ({ quick, only, against, json, markdown }: Options) => {
    say('Starting the servers ...')
    const fixture = await openFixture((line) => say(line))
    const suites: Report['suites'][number][] = []
    try {
      for (const suite of against === undefined ? only : [againstSuite]) {
        say(suite.name)
        suites.push(sectionOf(suite, await suite.run({ fixture, quick, against, say })))
      }
      const report: Report = { machine: describeMachine(fixture), suites }
      const text = toMarkdown(report)
      process.stdout.write(`${text}\n`)
      if (json !== undefined) writeFileSync(json, `${JSON.stringify(report, undefined, 2)}\n`)
      if (markdown !== undefined) writeFileSync(markdown, `${text}\n`)
      process.exitCode = isValid(report) ? 0 : 1
    } finally {
      await fixture.end()
    }
  })

await command.parseAsync()
