#!/usr/bin/env -S node --max-semi-space-size=32
import { refuseNode } from './node-version.js'

const refusal = refuseNode(process.versions.node)
if (refusal !== undefined) {
  process.stderr.write(`${refusal}\n`)
  process.exit(1)
}
// Imported only now: an old Node may fail to load the rest, with a message that explains nothing.
const { runProgram } = await import('./command.js')
const { createProgram } = await import('./program.js')

// `tributary config | head`: it is no error when the reader closes the pipe.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})
const exitCode = await runProgram(createProgram, process.argv.slice(2))
if (exitCode !== 0) process.exitCode = exitCode
