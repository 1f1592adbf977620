/**
 * The judge of the one-minute training: reads the JSON of two `xcomposer eval` calls, the model's and the majority answer's, and
 * fails unless the model is clearly better on every task.
 *
 * node dist/examples/tiny/check.js MODEL.json MAJORITY.json
 */
import { readFileSync } from 'node:fs'
import type { Report } from '../../src/evaluate/report.js'

/** Well above the 25 % of guessing, far below what a whole training reaches. */
const ENOUGH = 0.6

const [modelFile = '', majorityFile = ''] = process.argv.slice(2)
const read = (file: string) => JSON.parse(readFileSync(file, 'utf8')) as Report
const model = read(modelFile)
const majority = read(majorityFile)
const percent = (share: number | undefined) => `${(100 * (share ?? 0)).toFixed(1)} %`

let learned = true
for (const [task, score] of Object.entries(model.tasks)) {
  const proposer = majority.tasks[task]
  const enough = score.score >= ENOUGH && score.low > (proposer?.high ?? 1)
  learned &&= enough
  const verdict = enough ? 'learned' : `NOT learned; expected at least ${percent(ENOUGH)} and an interval above the majority's`
  process.stdout.write(
    `${task}: ${percent(score.score)} of ${score.n}, majority answer ${percent(proposer?.score)}: ${verdict}\n`,
  )
}
process.exitCode = learned ? 0 : 1
