/**
 * The state of a training run on disk: trained weights and both moments, written to a temporary name and renamed, so that
 * a run killed at any moment continues from the last complete state with bit-equal losses.
 */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { openSafetensors, writeSafetensors } from '../checkpoint/safetensors.js'
import { readTensor } from '../checkpoint/tensors.js'
import { writeAll, writeFileAtomically } from '../common/atomic.js'
import { InputError } from '../common/errors.js'
import { makeFolders } from '../common/folders.js'
import type { FlatParameters } from '../engine/index.js'

/** One line of metrics.jsonl. */
export interface StepMetrics {
  readonly step: number
  /** Mean over the step's targets; null in the file when there were none. */
  readonly loss: number
  readonly targets: number
  readonly gradientNorm: number
  readonly learningRate: number
  readonly samplesPerSecond: number
  /** Wall time of the step. */
  readonly seconds: number
}

const stateName = /^step-(\d{7})\.safetensors$/
const parts = ['weights', 'firstMoment', 'secondMoment'] as const

/** Writes the state after `step` steps and removes all but the newest `keep`. */
export function saveState(dir: string, p: FlatParameters, step: number, fingerprint: string, keep: number): void {
  makeFolders(dir, 'state')
  const tensors = parts.flatMap((part) =>
    p.tensors.map((t) => ({ name: `${part}:${t.name}`, dtype: 'F32' as const, shape: t.shape, data: p.view(p[part], t) })),
  )
  const file = join(dir, `step-${String(step).padStart(7, '0')}.safetensors`)
  writeSafetensors(file, tensors, { step: String(step), recipe: fingerprint })
  for (const old of listStates(dir).slice(0, -keep)) rmSync(join(dir, old))
}

function listStates(dir: string): string[] {
  return existsSync(dir)
    ? readdirSync(dir)
        .filter((f) => stateName.test(f))
        .sort()
    : []
}

/**
 * Loads the newest state into the flat arrays and returns its step; 0 when there is none.
 * @throws InputError when the state belongs to a recipe with other values
 */
export function loadState(dir: string, p: FlatParameters, fingerprint: string): number {
  const newest = listStates(dir).at(-1)
  if (!newest) return 0
  const file = openSafetensors(join(dir, newest))
  if (file.metadata.get('recipe') !== fingerprint) {
    throw new InputError(`${file.path}: this state belongs to another version of the recipe; use --restart to begin anew`)
  }
  for (const part of parts) {
    for (const t of p.tensors) {
      const entry = file.tensors.get(`${part}:${t.name}`)
      if (!entry || entry.shape.join() !== t.shape.join()) {
        throw new InputError(
          `${file.path}: tensor "${part}:${t.name}" is missing or has another shape; use --restart to begin anew`,
        )
      }
      p.view(p[part], t).set(readTensor(entry))
    }
  }
  return Number(file.metadata.get('step'))
}

/** The loss of the last step that metrics.jsonl lists; NaN when there is none. */
export function lastLoss(file: string): number {
  if (!existsSync(file)) return Number.NaN
  const line = readFileSync(file, 'utf8').trim().split('\n').at(-1)
  return line ? ((JSON.parse(line) as StepMetrics).loss ?? Number.NaN) : Number.NaN
}

/** Cuts metrics.jsonl to the steps before `step`, so that a resumed run does not list a step twice. */
export function trimMetrics(file: string, step: number): void {
  if (!existsSync(file)) return
  const kept = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line.endsWith('}') && (JSON.parse(line) as StepMetrics).step <= step)
  writeFileAtomically(file, (fd) => writeAll(fd, new TextEncoder().encode(kept.map((l) => `${l}\n`).join(''))))
}
