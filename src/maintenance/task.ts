/** Work that is done again and again by the elected replica. A second replica that does it too must do no harm. */
export interface Task {
  readonly name: string
  /** From one start to the next, in ms. */
  readonly everyMs: number
  /** Whether it makes room in a Redis that is full, and needs no room for that. */
  readonly makesRoom: boolean
  /** @throws the error of Redis or the connection: the scheduler runs the task again at its next turn */
  run(stopping: AbortSignal): Promise<void>
}
