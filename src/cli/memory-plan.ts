/** What a model will need in memory, said before it is loaded, and refused where the machine has not got it. */
import { freemem } from 'node:os'
import { XComposerError } from '../errors.js'
import { inspect } from '../evaluate/inspect.js'
import type { CheckpointModel } from '../model/checkpoint-model.js'
import type { Io } from './io.js'

/** Bytes. */
export interface MemoryPlan {
  readonly weights: number
  /** Keys and values at the model's longest prompt and answer. */
  readonly kv: number
  /** The largest activations of the vision tower for one picture. */
  readonly vision: number
  readonly available: number
}

/** Below this nobody needs to be told. */
const WORTH_SAYING = 2 ** 30

/** The plan of a model. @param available bytes; by default what the machine, or the container, has left */
export function memoryPlan({ config }: CheckpointModel, available = availableBytes()): MemoryPlan {
  const { memory } = inspect(config)
  return { weights: memory.weights, kv: memory.kvFull, vision: memory.visionActivations, available }
}

function availableBytes(): number {
  return process.availableMemory?.() ?? freemem()
}

/**
 * Prints the plan of a large model to stderr.
 * @throws XComposerError with the figures when it cannot fit
 */
export function announceMemory(name: string, plan: MemoryPlan, io: Io): void {
  const needed = plan.weights + plan.kv + plan.vision
  const figures = `${gib(needed)} GiB: weights ${gib(plan.weights)}, KV cache ${gib(plan.kv)}, vision ${gib(plan.vision)}`
  if (needed > plan.available) {
    throw new XComposerError(
      `${name}: needs ${figures}, but only ${gib(plan.available)} GiB are free; quantize it, or use a machine with more memory`,
    )
  }
  if (needed >= WORTH_SAYING) io.err(`memory: ${figures}; ${gib(plan.available)} GiB are free\n`)
}

const gib = (bytes: number): string => (bytes / 2 ** 30).toFixed(2)
