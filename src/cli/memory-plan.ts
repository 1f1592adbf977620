/** What a model will need in memory, said before it is loaded, and refused where the machine has not got it. */
import { freemem } from 'node:os'
import { XComposerError } from '../common/errors.js'
import { DEFAULT_SLOTS } from '../inference/scheduler.js'
import { isStretched } from '../model/decoder/rotary.js'
import { inspect } from '../model/inspect.js'
import type { OpenCheckpoint } from '../model/open-checkpoint.js'
import type { Io } from './io.js'

/** Bytes. */
export interface MemoryPlan {
  readonly weights: number
  /** Keys and values at the model's longest prompt and answer, of all sequences. */
  readonly kv: number
  /** The largest activations of the vision tower for one image. */
  readonly vision: number
  readonly available: number
  /** Answers made together; not in bytes. */
  readonly batch: number
}

/** Below this nobody needs to be told. */
const WORTH_SAYING = 2 ** 30

/**
 * The plan of a model.
 * @param batch answers that are asked for together; a model that cannot batch makes them one by one
 * @param available bytes; by default what the machine, or the container, has left
 */
export function memoryPlan({ config }: Pick<OpenCheckpoint, 'config'>, batch = 1, available = availableBytes()): MemoryPlan {
  const { memory } = inspect(config)
  const rows = isStretched(config.decoder, config.maxLength) ? 1 : Math.min(batch, DEFAULT_SLOTS)
  // Beside the rows of a batch the prefix cache keeps about one sequence.
  const sequences = rows > 1 ? rows + 1 : 1
  return {
    weights: memory.weights,
    kv: sequences * memory.kvFull,
    vision: memory.visionActivations,
    available,
    batch: rows,
  }
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
  const many = plan.batch > 1
  const kv = `${gib(plan.kv)}${many ? ` (batch of ${plan.batch})` : ''}`
  const figures = `${gib(needed)} GiB: weights ${gib(plan.weights)}, KV cache ${kv}, vision ${gib(plan.vision)}`
  if (needed > plan.available) {
    const advice = `${many ? 'make the batch smaller, ' : ''}quantize it, or use a machine with more memory`
    throw new XComposerError(`${name}: needs ${figures}, but only ${gib(plan.available)} GiB are free; ${advice}`)
  }
  if (needed >= WORTH_SAYING) io.err(`memory: ${figures}; ${gib(plan.available)} GiB are free\n`)
}

const gib = (bytes: number): string => (bytes / 2 ** 30).toFixed(2)
