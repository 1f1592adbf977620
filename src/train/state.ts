/**
 * The state of a training run on disk: trained weights and the optimiser's slots, written to a temporary name and renamed, so that
 * a run killed at any moment continues from the last complete state with bit-equal losses. A state belongs to what the run was made
 * of (run-identity.ts); metrics.jsonl lists its steps.
 */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { openSafetensors, writeSafetensors } from '../checkpoint/safetensors.js'
import { readTensor } from '../checkpoint/tensors.js'
import { writeAll, writeFileAtomically } from '../common/atomic.js'
import { InputError } from '../common/errors.js'
import { makeFolders } from '../common/folders.js'
import type { FlatParameters, FlatTensor, Optimizer } from '../engine/index.js'
import { differences, parseIdentity, type RunIdentity } from './run-identity.js'

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
/** What a state is of. */
export interface RunState {
  readonly parameters: FlatParameters
  readonly optimizer: Pick<Optimizer, 'slots'>
  readonly identity: RunIdentity
}

/** Name in the file and values of everything that a tensor brings into a state. */
function entries({ parameters: p, optimizer }: RunState, t: FlatTensor): { name: string; data: Float32Array }[] {
  const slots = optimizer.slots(t.name).map((slot) => ({ name: `${slot}:${t.name}`, data: p.view(p.slot(slot), t) }))
  return [{ name: `weights:${t.name}`, data: p.view(p.weights, t) }, ...slots]
}

/** Writes the state after `step` steps and removes all but the newest `keep`. */
export function saveState(dir: string, run: RunState, step: number, keep: number): void {
  makeFolders(dir, 'state')
  const tensors = run.parameters.tensors.flatMap((t) =>
    entries(run, t).map(({ name, data }) => ({ name, dtype: 'F32' as const, shape: t.shape, data })),
  )
  const file = join(dir, `step-${String(step).padStart(7, '0')}.safetensors`)
  writeSafetensors(file, tensors, { step: String(step), run: JSON.stringify(run.identity) })
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
 * @throws InputError when the recipe or a data file has changed since, naming what and how
 */
export function loadState(dir: string, run: RunState): number {
  const newest = listStates(dir).at(-1)
  if (!newest) return 0
  const file = openSafetensors(join(dir, newest))
  const saved = parseIdentity(file.metadata.get('run'))
  if (!saved) throw new InputError(`${file.path}: no state of this version of xcomposer; use --restart to begin anew`)
  const changed = differences(saved, run.identity)
  if (changed.length > 0) {
    throw new InputError(
      `${file.path}: the run has changed since: ${changed.join('; ')}; undo that, or use --restart to begin anew`,
    )
  }
  for (const t of run.parameters.tensors) {
    for (const { name, data } of entries(run, t)) {
      const entry = file.tensors.get(name)
      if (!entry || entry.shape.join() !== t.shape.join()) {
        throw new InputError(`${file.path}: tensor "${name}" is missing or has another shape; use --restart to begin anew`)
      }
      data.set(readTensor(entry))
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
