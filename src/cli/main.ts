#!/usr/bin/env -S node --max-semi-space-size=32
import { runProgram } from './command.js'
import { createProgram } from './program.js'

// `tributary config | head`: a reader that has seen enough is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})
const exitCode = await runProgram(createProgram, process.argv.slice(2))
if (exitCode !== 0) process.exitCode = exitCode
