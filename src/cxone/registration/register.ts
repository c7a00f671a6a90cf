import { CxoneRefusal, CxoneTransient } from '../errors.js'
import { fullJitterMs, pause } from '../pace.js'
import { fieldsOf, type Kind, type Registered, type Wanted } from './kinds.js'
import { planStep, type Step } from './plan.js'
import { type Caller, create, listRegistered, replace } from './remote.js'

/** Most times that one registration is looked at again after an unclear answer or a conflict. */
const MOST_ROUNDS = 6

/**
 * Brings CXone to what is wanted, step by step: creates, updates or leaves each. Doing it again changes nothing, also
 * after an answer that was lost: before anything is created a second time, the list says whether it is there.
 * @param dryRun only compares
 * @yields each step when it is done
 * @throws CxoneTransient CXone does not answer, or answers unclearly again and again · CxoneRefusal · AccessError
 */
export async function* registerAll(
  caller: Caller,
  wanted: readonly Wanted[],
  dryRun: boolean,
): AsyncGenerator<Step> {
  const lists = new Map<Kind, readonly Registered[]>()
  for (const one of wanted) {
    const all = lists.get(one.kind) ?? (await listRegistered(caller, one.kind))
    lists.set(one.kind, all)
    yield dryRun ? planStep(one, all) : await converge(caller, one, all)
  }
}

/** @param all what is registered of the kind */
async function converge(caller: Caller, wanted: Wanted, all: readonly Registered[]): Promise<Step> {
  let first: Step | undefined
  for (let round = 1, current = all; ; round++) {
    const step = planStep(wanted, current)
    // The first step says what was done: the last only finds it in place.
    first ??= step
    if (step.action === 'leave') return first
    try {
      await carryOut(caller, step)
      return first
    } catch (error) {
      const pauseMs = round < MOST_ROUNDS ? lookAgainAfter(error, step, round) : undefined
      if (pauseMs === undefined) throw error
      if (error instanceof CxoneTransient) caller.onRetry?.(error, pauseMs)
      await pause(pauseMs, caller.signal)
      current = await listRegistered(caller, wanted.kind)
    }
  }
}

async function carryOut(caller: Caller, { wanted, registered }: Step): Promise<void> {
  const fields = fieldsOf(wanted)
  if (!registered) return await create(caller, wanted.kind, fields)
  // What else CXone keeps of it, such as a secret, stays.
  await replace(caller, registered, { ...registered.fields, ...fields })
}

/**
 * How long to wait for the list, in ms, where it can say more: the answer to a creation was lost, or another process was
 * quicker (409), or has removed it (404).
 */
function lookAgainAfter(error: unknown, { action }: Step, round: number): number | undefined {
  const wasLost = error instanceof CxoneTransient && error.applied === 'unknown' && action === 'create'
  const hasChanged = error instanceof CxoneRefusal && (error.status === 409 || error.status === 404)
  return wasLost || hasChanged ? fullJitterMs(round) : undefined
}
