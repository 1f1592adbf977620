// Training records (SPEC 11.3, one JSON object a line) and how question/answer turns become conversations.
// It knows nothing of what the questions are about.
import { join } from 'node:path'
import { workRoot, writeWhole } from './paths.js'
import type { Random } from './random.js'

export interface Turn {
  readonly from: 'user' | 'assistant'
  readonly value: string
}

/**
 * A conversation, with or without pictures; `flip` allows mirror augmentation, `keepColour` forbids that of colours. Paths are relative
 * to the work file.
 */
export interface DialogueRecord {
  readonly id: string
  readonly image?: readonly string[]
  readonly conversations: readonly Turn[]
  readonly flip?: true
  readonly keepColour?: true
}

/** Plain text for language modelling. */
export interface TextRecord {
  readonly id: string
  readonly text: string
}

/** One question of an evaluation set. */
export interface EvalRecord {
  readonly id: string
  readonly task: string
  readonly images: readonly string[]
  readonly question: string
  readonly answers: readonly string[]
  readonly scorer: 'exact' | 'contains' | 'choice' | 'relaxed' | 'box'
}

/** A question with its answer. */
export interface Qa {
  readonly q: string
  readonly a: string
}

export const imagePlaceholder = '<ImageHere>'

/** Makes a dialogue of turns; with pictures, every placeholder stands at the start of the first question. */
export function dialogue(id: string, turns: readonly Qa[], images: readonly string[] = [], flip = false): DialogueRecord {
  if (turns.length === 0) throw new RangeError(`dialogue "${id}" has no turns`)
  const conversations = turns.flatMap((turn, i): Turn[] => [
    { from: 'user', value: (i === 0 ? imagePlaceholder.repeat(images.length) : '') + turn.q },
    { from: 'assistant', value: turn.a },
  ])
  return { id, ...(images.length > 0 ? { image: images } : {}), conversations, ...(flip ? { flip: true as const } : {}) }
}

/** Splits shuffled turns into groups of `low..high`, so that one picture serves several dialogues. */
export function groupTurns(turns: readonly Qa[], low: number, high: number, rng: Random): Qa[][] {
  const left = rng.shuffle(turns)
  const groups: Qa[][] = []
  while (left.length > 0) {
    const take = left.length <= high ? left.length : rng.int(low, high)
    groups.push(left.splice(0, take))
  }
  return groups
}

/** Writes records as JSON lines under the work folder, whole. */
export function writeJsonl(path: string, records: readonly object[]): void {
  writeWhole(join(workRoot, path), records.map((r) => `${JSON.stringify(r)}\n`).join(''))
  console.log(`${path}: ${records.length} records`)
}
