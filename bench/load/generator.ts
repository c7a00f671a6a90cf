import { once } from 'node:events'
import { startChild } from '../support/child.js'
import type { LoadPlan, LoadReport } from './plan.js'

/** The load generator, in its own process. */
export interface Generator {
  readonly pid: number
  run(plan: LoadPlan): Promise<LoadReport>
  end(): Promise<void>
}

/** Starts a load generator. */
export async function startGenerator(): Promise<Generator> {
  const child = await startChild(new URL('./process.js', import.meta.url))
  return {
    pid: child.pid,
    run: async (plan) => {
      const answer = once(child.process, 'message')
      child.process.send(plan)
      const [report] = (await Promise.race([answer, child.died])) as [LoadReport]
      return report
    },
    end: child.end,
  }
}
