// Loaded by `node --import` into the processes of a chaos run that has to fail: see mutants.ts.
import { register } from 'node:module'

register('./mutate-loader.mjs', import.meta.url)
