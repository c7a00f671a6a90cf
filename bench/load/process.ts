import { runLoad } from './loops.js'
import type { LoadPlan } from './plan.js'

/** The generator as a process of its own: a plan comes as a message, and its report goes back as one. */
process.on('message', (plan: LoadPlan) => {
  void runLoad(plan).then((report) => process.send?.(report))
})
process.once('disconnect', () => process.exit(0))
process.send?.('ready')
