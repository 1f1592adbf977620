/** Golden check "logits_processors": scores after the penalty and the final distribution of every row (SPEC section 9). */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { openSafetensors } from '../checkpoint/safetensors.js'
import { readRaw, readTensor, type TensorEntry } from '../checkpoint/tensors.js'
import { InputError } from '../common/errors.js'
import { distribution, penalizeRepetition } from '../generate/processors.js'
import type { CaseResult, GoldenCheck } from './check.js'

const TOLERANCE = 1e-5

const Cases = z.array(
  z.object({
    case: z.number(),
    repetition_penalty: z.number(),
    temperature: z.number(),
    top_k: z.number(),
    top_p: z.number(),
    kept: z.array(z.number()),
  }),
)

function* run(dir: string): Generator<CaseResult> {
  const file = join(dir, 'cases.safetensors')
  const { tensors } = openSafetensors(file)
  const entry = (name: string): TensorEntry => {
    const found = tensors.get(name)
    if (found === undefined) throw new InputError(`${file}: no tensor "${name}"`)
    return found
  }
  for (const settings of Cases.parse(JSON.parse(readFileSync(join(dir, 'cases.json'), 'utf8')))) {
    const name = `case${settings.case}`
    const logits = readTensor(entry(`${name}.logits`))
    const context = new BigInt64Array(readRaw(entry(`${name}.context_ids`)).buffer)
    const rows = settings.kept.length
    const scores = perRow(logits, rows)
    const probs: number[] = []
    const kept: number[] = []
    for (const [row, values] of scores.entries()) {
      const ids = Array.from(context.subarray((row * context.length) / rows, ((row + 1) * context.length) / rows), Number)
      penalizeRepetition(values, ids, settings.repetition_penalty)
      const made = distribution(values, { temperature: settings.temperature, topK: settings.top_k, topP: settings.top_p })
      const dense = new Float64Array(values.length)
      for (const [i, id] of made.ids.entries()) dense[id] = made.probs[i] as number
      probs.push(...dense)
      kept.push(made.ids.length)
    }
    const penaltyError = largestError(logits, readTensor(entry(`${name}.after_penalty`)))
    const error = Math.max(penaltyError, largestError(probs, readTensor(entry(`${name}.probs`))))
    const sameKept = kept.every((n, row) => n === settings.kept[row])
    yield { name, passed: error <= TOLERANCE && sameKept, largestError: error, detail: `kept ${kept}, expected ${settings.kept}` }
  }
}

/** Views of the rows: what is changed in a row is changed in `values`. */
function perRow(values: Float32Array, rows: number): Float32Array[] {
  const width = values.length / rows
  return Array.from({ length: rows }, (_, row) => values.subarray(row * width, (row + 1) * width))
}

function largestError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY
  let largest = 0
  // Equal infinities have no difference to measure.
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) largest = Math.max(largest, Math.abs((a[i] as number) - (b[i] as number)))
  return largest
}

export const check: GoldenCheck = { folder: 'logits_processors', run }
