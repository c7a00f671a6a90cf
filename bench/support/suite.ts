import type { Case } from './figures.js'
import type { Fixture } from './fixture.js'

/** What a suite gets. */
export interface SuiteContext {
  readonly fixture: Fixture
  /** About 3 minutes for all suites together, instead of 25. */
  readonly quick: boolean
  /** Folder of another built checkout, to compare this one with. */
  readonly against?: string | undefined
  /** Called with a line for each result. */
  readonly say: (line: string) => void
}

/** A group of measurements. */
export interface Suite {
  readonly name: string
  /** For a person: what is measured, and how. */
  readonly about: string
  run(context: SuiteContext): Promise<Case[]>
}
