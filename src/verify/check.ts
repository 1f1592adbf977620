/**
 * What one golden folder's check is: it reads the folder and reports each case. `npm run -s verify -- DIR` runs every
 * check whose folder exists in DIR; the tests run the same checks on the copies in tests/data/goldens.
 */

/** One compared case. `largestError` is the largest absolute difference where numbers were compared. */
export interface CaseResult {
  readonly name: string
  readonly passed: boolean
  readonly largestError?: number
  /** Why it failed, or what was compared. One line. */
  readonly detail?: string
}

/** The check of one golden folder; `run` yields one result per case, and throws only when the folder itself is unreadable. */
export interface GoldenCheck {
  readonly folder: string
  run(dir: string): AsyncGenerator<CaseResult> | Generator<CaseResult>
}
