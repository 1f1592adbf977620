/**
 * The classifiers of a finished run, kept beside its model (they are no part of it), so that a later stage goes on with them: a classifier
 * that starts anew would first undo what the tower has learned. Rows go by the text of their class, whatever else the data have.
 */
import { copyFileSync, existsSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { openSafetensors, writeSafetensors } from '../../checkpoint/safetensors.js'
import { readTensor } from '../../checkpoint/tensors.js'
import type { LabelTexts } from '../../data/drawn.js'
import type { LabelKind } from './image-labels.js'
import { labelHeads } from './label-terms.js'

const kinds = Object.keys(labelHeads) as LabelKind[]
/** In a folder of its own: a model directory may hold several weight files, and this is none. */
const fileIn = (dir: string): string => join(dir, 'classifiers', 'heads.safetensors')

/**
 * Writes the classifiers of a run, or, where it learned none, hands on those that it started from.
 * @param values [classes, width] of each kind that was learned
 */
export function writeLabelHeads(
  dir: string,
  labels: LabelTexts,
  width: number,
  values: ReadonlyMap<string, Float32Array>,
  before?: string,
): void {
  const found = kinds.filter((kind) => values.has(labelHeads[kind]))
  if (found.length === 0) {
    if (!before || !existsSync(fileIn(before))) return
    mkdirSync(dirname(fileIn(dir)), { recursive: true })
    copyFileSync(fileIn(before), fileIn(dir))
    return
  }
  const tensors = found.map((kind) => {
    const data = values.get(labelHeads[kind]) as Float32Array
    return { name: labelHeads[kind], dtype: 'F16', shape: [labels[kind].length, width], data } as const
  })
  mkdirSync(dirname(fileIn(dir)), { recursive: true })
  writeSafetensors(fileIn(dir), tensors, Object.fromEntries(found.map((kind) => [kind, JSON.stringify(labels[kind])])))
}

/** First values of classifiers [classes, width] from those beside a model; rows of texts that it did not have are 0. Empty without any. */
export function readLabelHeads(dir: string, labels: LabelTexts, width: number): Map<string, Float32Array> {
  const out = new Map<string, Float32Array>()
  if (!existsSync(fileIn(dir))) return out
  const { tensors, metadata } = openSafetensors(fileIn(dir))
  for (const kind of kinds) {
    const entry = tensors.get(labelHeads[kind])
    const texts = textList(metadata.get(kind))
    if (!texts || entry?.shape[0] !== texts.length || entry.shape[1] !== width) continue
    const rows = new Map(texts.map((text, i) => [text, i]))
    const kept = readTensor(entry)
    const values = new Float32Array(labels[kind].length * width)
    labels[kind].forEach((text, row) => {
      const from = rows.get(text)
      if (from !== undefined) values.set(kept.subarray(from * width, (from + 1) * width), row * width)
    })
    out.set(labelHeads[kind], values)
  }
  return out
}

/** The texts that were written, or nothing for what this program did not write. */
function textList(json = 'null'): string[] | undefined {
  try {
    const value: unknown = JSON.parse(json)
    return Array.isArray(value) ? value.map(String) : undefined
  } catch {
    return undefined
  }
}
