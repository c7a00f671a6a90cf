import { randomInt } from 'node:crypto'
import { Command, InvalidArgumentError } from 'commander'
import { interruption, parsePositive, parseWhole } from '../../src/cli/command.js'
import { MUTANTS } from './mutants.js'
import { KIND_NAMES, KINDS, type KindName } from './plan.js'
import { isSound, report } from './report.js'
import { runChaos } from './run.js'

interface Options {
  readonly minutes: number
  readonly seed?: number
  readonly rate: number
  readonly faults: readonly KindName[]
  readonly mutant?: string
  readonly keep: boolean
}

function parseFaults(text: string): readonly KindName[] {
  const names = text.split(',')
  const unknown = names.filter((name) => !(name in KINDS))
  if (unknown.length > 0) {
    throw new InvalidArgumentError(
      `There is no fault ${unknown.join(', ')}: choose from ${KIND_NAMES.join(', ')}`,
    )
  }
  return names as KindName[]
}

function parseMutant(name: string): string {
  if (name in MUTANTS) return name
  throw new InvalidArgumentError(`There is no mutant ${name}: choose from ${Object.keys(MUTANTS).join(', ')}`)
}

const say = (line: string) => void process.stdout.write(`${line}\n`)

const command = new Command('npm run chaos --')
  .description(
    'Strike a whole Tributary with faults under traffic, then prove that nothing acknowledged is lost',
  )
  .option('--minutes <n>', 'how long faults strike', parsePositive, 3)
  .option('--seed <n>', 'faults and traffic of an earlier run', parseWhole)
  .option('--rate <n>', 'requests a second', parsePositive, 120)
  .option('--faults <list>', 'only these, comma-separated', parseFaults, KIND_NAMES)
  .option('--mutant <name>', 'put a mistake into the product, which must be found', parseMutant)
  .option('--keep', 'keep logs and data where the outcome is bad', false)
  .addHelpText(
    'after',
    `
Faults:
${KIND_NAMES.map((kind) => `  ${kind.padEnd(12)} ${KINDS[kind].title} a while`).join('\n')}

Mutants:
${Object.entries(MUTANTS)
  .map(([name, { title }]) => `  ${name.padEnd(16)} ${title}`)
  .join('\n')}

Examples:
  $ npm run chaos                                three minutes, a new seed
  $ npm run chaos -- --minutes 30 --seed 7       for a release
  $ npm run chaos -- --faults kill,kill-server --keep
  $ npm run chaos -- --mutant ack-before-write   must end with exit code 1

Exit code 0: everything acknowledged is where it should be, exactly once. 1: it is not.`,
  )
  .action(async ({ minutes, seed = randomInt(2 ** 31), rate, faults, mutant, keep }: Options) => {
    const only = faults === KIND_NAMES ? '' : ` --faults ${faults.join(',')}`
    const wrong = mutant === undefined ? '' : ` --mutant ${mutant}`
    say(
      `npm run chaos -- --minutes ${minutes} --seed ${seed} --rate ${rate}${only}${wrong}   repeats this run`,
    )
    const common = { seed, rate, kinds: faults, keep, forMs: minutes * 60_000, say, signal: interruption() }
    const options = { ...common, ...(mutant !== undefined && { ...MUTANTS[mutant], drainMs: 10_000 }) }
    const outcome = await runChaos(options)
    say(`\n${report(outcome)}`)
    process.exit(isSound(outcome) ? 0 : 1)
  })

await command.parseAsync()
