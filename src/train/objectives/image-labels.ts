/**
 * What is known of images beside the answers about them, for classifiers on the vision tower: a name, words that it shares with other
 * images (its kind, its colour, what it makes one think of), and what stands in each patch. A drawn sample brings its labels; of a record
 * the first answer is the name and the further answers, split at commas, are the words. The name is the goal; the shared words are learned
 * many times sooner and lead there. Knows records and labels, not graphs.
 */
import { InputError } from '../../common/errors.js'
import type { ImageLabels, LabelTexts } from '../../data/drawn.js'
import { type TrainingRecord, turnText } from '../../data/records.js'

export type LabelKind = keyof LabelTexts

/** Class numbers by text. */
export type ImageClasses = Readonly<Record<LabelKind, ReadonlyMap<string, number>>>

const wordsOf = (answer: string): string[] =>
  answer
    .split(/[,、，]/)
    .map((word) => word.trim())
    .filter((word) => word !== '')

/** The labels that a record's answers give to its one image; undefined for texts and for more images. */
export function recordLabels(record: TrainingRecord): ImageLabels | undefined {
  if (record.kind !== 'conversation') return undefined
  const answers = record.conversation.turns.filter(({ role }) => role === 'assistant')
  const [name, ...others] = answers.map((turn) => turnText(turn).trim())
  return { ...(name ? { name } : {}), words: [...new Set(others.flatMap(wordsOf))] }
}

/** All texts of labels, each kind sorted. */
export function labelTexts(labels: Iterable<ImageLabels>, more: readonly Partial<LabelTexts>[] = []): LabelTexts {
  const sets = { names: new Set<string>(), words: new Set<string>(), cells: new Set<string>() }
  const kinds = Object.keys(sets) as LabelKind[]
  for (const { name, words = [], cells = [] } of labels) {
    if (name !== undefined) sets.names.add(name)
    for (const word of words) sets.words.add(word)
    for (const cell of cells) sets.cells.add(cell)
  }
  // Where nothing stands is worth telling too: it is what ends a thing.
  if (more.some((texts) => texts.cells?.length)) sets.cells.add('')
  for (const texts of more) for (const kind of kinds) for (const text of texts[kind] ?? []) sets[kind].add(text)
  return { names: [...sets.names].sort(), words: [...sets.words].sort(), cells: [...sets.cells].sort() }
}

export function imageClasses({ names, words, cells }: LabelTexts): ImageClasses {
  const numbered = (texts: readonly string[]) => new Map(texts.map((text, i) => [text, i]))
  return { names: numbered(names), words: numbered(words), cells: numbered(cells) }
}

/** @throws InputError for fewer than two names */
export function expectNames({ names }: LabelTexts): void {
  if (names.length < 2) throw new InputError(`data: expected images with at least two names (first answers), got ${names.length}`)
}
