/**
 * The judge of the fine-tuning example: reads the JSON of three `xcomposer eval` calls (the model before and after, the majority
 * answer) and fails unless, on every task, the model after is clearly better than both.
 *
 * node dist/examples/finetune/check.js BEFORE.json AFTER.json MAJORITY.json
 */
import { readFileSync } from 'node:fs'
import type { Report } from '../../src/evaluate/report.js'

/** Four shops: guessing gets 25 %, the colour alone 50 %. */
const ENOUGH = 0.7

const read = (file = '') => JSON.parse(readFileSync(file, 'utf8')) as Report
const [before, after, majority] = process.argv.slice(2).map(read) as [Report, Report, Report]
const percent = (share: number | undefined) => `${(100 * (share ?? 0)).toFixed(1)} %`

let learned = true
for (const [task, score] of Object.entries(after.tasks)) {
  const others = [before.tasks[task], majority.tasks[task]]
  const enough = score.score >= ENOUGH && others.every((other) => score.low > (other?.high ?? 1))
  learned &&= enough
  const verdict = enough
    ? 'learned'
    : `NOT learned; expected at least ${percent(ENOUGH)} and an interval above the one before and the majority's`
  process.stdout.write(
    `${task}: ${percent(others[0]?.score)} before, ${percent(score.score)} after, majority answer ${percent(others[1]?.score)}, of ${score.n}: ${verdict}\n`,
  )
}
process.exitCode = learned ? 0 : 1
