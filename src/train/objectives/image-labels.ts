/**
 * What the vision warm-up learns to say of an image: its name, which is the first answer about it, and the words that it shares
 * with other images (its kind, its colour, what it makes one think of), which are the further answers, split at commas. The name is
 * the goal; the shared words are learned many times sooner and lead there. Knows records and labels, not graphs.
 */
import { InputError } from '../../common/errors.js'
import { type TrainingRecord, turnText } from '../../data/records.js'
import type { Tokenizer } from '../../text/tokenizer.js'
import type { TrainingBatch } from '../batch.js'

/** Class numbers by text. */
export interface ImageClasses {
  readonly names: ReadonlyMap<string, number>
  readonly words: ReadonlyMap<string, number>
}

/** A class of one image of a batch. */
export interface ImageTarget {
  readonly image: number
  readonly class: number
}

export interface ImageTargets {
  readonly names: readonly ImageTarget[]
  readonly words: readonly ImageTarget[]
}

const wordsOf = (answer: string): string[] =>
  answer
    .split(/[,、，]/)
    .map((word) => word.trim())
    .filter((word) => word !== '')

const numbered = (texts: ReadonlySet<string>): Map<string, number> => new Map([...texts].sort().map((text, i) => [text, i]))

/** Class numbers in the order of the sorted texts. @throws InputError when the records hold fewer than two names */
export function imageClasses(records: readonly TrainingRecord[]): ImageClasses {
  const names = new Set<string>()
  const words = new Set<string>()
  for (const record of records) {
    if (record.kind !== 'conversation') continue
    const answers = record.conversation.turns.filter(({ role }) => role === 'assistant')
    const [name, ...others] = answers.map((turn) => turnText(turn).trim())
    if (name) names.add(name)
    for (const word of others.flatMap(wordsOf)) words.add(word)
  }
  if (names.size < 2) throw new InputError(`data: expected images with at least two names (first answers), got ${names.size}`)
  return { names: numbered(names), words: numbered(words) }
}

/**
 * Length of a direction: a row of an image, of mean square 1, that points exactly at it has a logit of 2 sqrt(width). At 1 the softmax over
 * two thousand names could not become sure of one (docs/log.md).
 */
const SHARPNESS = 2

/**
 * What the words of each name have in common in a language model: the mean of its tokens' embeddings, all at one length.
 * @param embeddings [vocabulary, width]
 * @returns [names, width]
 */
export function nameDirections(
  names: readonly string[],
  tokenizer: Tokenizer,
  embeddings: Float32Array,
  width: number,
): Float32Array {
  const out = new Float32Array(names.length * width)
  names.forEach((name, row) => {
    const sum = out.subarray(row * width, (row + 1) * width)
    for (const id of tokenizer.encode(name)) {
      for (let i = 0; i < width; i++) sum[i] = (sum[i] as number) + (embeddings[id * width + i] as number)
    }
    const length = Math.hypot(...sum)
    for (let i = 0; i < width; i++) sum[i] = ((sum[i] as number) * SHARPNESS) / (length || 1)
  })
  return out
}

/** The classes of the images of a batch that holds one image a row. */
export function imageTargets(batch: TrainingBatch, tokenizer: Tokenizer, classes: ImageClasses): ImageTargets {
  const names: ImageTarget[] = []
  const words: ImageTarget[] = []
  const tokens = batch.imagePositions.length / Math.max(1, batch.images)
  for (let image = 0; image < batch.images; image++) {
    const row = Math.floor((batch.imagePositions[image * tokens] as number) / batch.length)
    const labels = batch.labels.subarray(row * batch.length, (row + 1) * batch.length)
    const [name, ...others] = answers(labels, tokenizer)
    const add = (list: ImageTarget[], number: number | undefined): void => {
      if (number !== undefined) list.push({ image, class: number })
    }
    add(names, classes.names.get(name ?? ''))
    for (const word of new Set(others.flatMap(wordsOf))) add(words, classes.words.get(word))
  }
  return { names, words }
}

/** The answers of one row: what is learned up to each end of a turn. */
function answers(labels: Int32Array, tokenizer: Tokenizer): string[] {
  const out: string[] = []
  let ids: number[] = []
  for (const id of labels) {
    if (id === tokenizer.endOfTurnId) {
      out.push(tokenizer.decode(ids, { cleanUp: false }).trim())
      ids = []
    } else if (id >= 0) ids.push(id)
    else ids = []
  }
  return out
}
