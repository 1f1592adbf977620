/**
 * POPE (Li et al. 2023, arXiv 2305.10355): does the model name objects that are not there? Yes-or-no questions in three splits, read and
 * counted as the official notebook does (SPEC section 12): a reply of exactly `no` is no, everything else is yes; F1 of yes, and its mean
 * over the splits.
 */
import { readdirSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { z } from 'zod'
import { InputError } from '../../common/errors.js'
import { checkedRecord, type QuestionOptions, type ReadQuestion, readQuestionFile } from '../../data/questions.js'
import { bootstrap } from '../metrics/bootstrap.js'
import { wilson } from '../metrics/wilson.js'
import { referenceYesNo } from '../reference-extraction.js'
import type { Benchmark, Measure } from './benchmark.js'

const Line = z.object({
  question_id: z.union([z.number(), z.string()]).optional(),
  image: z.string().min(1),
  text: z.string().min(1),
  label: z.enum(['yes', 'no']),
})

/** `coco_pope_adversarial.json` -> `adversarial`. */
const splitOf = (file: string): string =>
  /adversarial|popular|random/.exec(basename(file))?.[0] ?? basename(file).replace(/\.\w+$/, '')

/** The files of a folder, or the one that is named. */
function filesOf(path: string): readonly string[] {
  const kind = statSync(path, { throwIfNoEntry: false })
  if (!kind)
    throw new InputError(`${path}: no such file or folder; expected POPE's JSON lines, or the folder of its three splits`)
  if (!kind.isDirectory()) return [path]
  const found = readdirSync(path)
    .filter((name) => /\.jsonl?$/.test(name))
    .sort()
  if (found.length === 0)
    throw new InputError(`${path}: no .json or .jsonl file in it; expected coco_pope_adversarial.json and others`)
  return found.map((name) => join(path, name))
}

function load(file: string, options: QuestionOptions): ReadQuestion[] {
  const split = splitOf(file)
  return readQuestionFile(file, options, (value, i) => {
    const { question_id: id = i, image, text, label } = checkedRecord(Line, value)
    const question = `Answer the question using a single word or phrase.${text}`
    return { id: `${split}-${id}`, task: split, images: [image], question, answers: [label], scorer: 'reference-yes-no' }
  })
}

interface Answered {
  readonly yes: boolean
  readonly label: boolean
}

/** NaN where nothing is yes, neither said nor true. */
function f1(items: readonly Answered[]): number {
  const hits = items.filter(({ yes, label }) => yes && label).length
  return (2 * hits) / (items.filter(({ yes }) => yes).length + items.filter(({ label }) => label).length)
}

function share(items: readonly Answered[], of: (item: Answered) => boolean): Measure {
  const right = items.filter(of).length
  return { value: items.length === 0 ? 0 : right / items.length, n: items.length, ...wilson(right, items.length) }
}

export const pope: Benchmark = {
  name: 'pope',
  summary: 'POPE, {question_id, image, text, label} a line: accuracy, F1, share of yes',
  load: (path, options) => filesOf(path).flatMap((file) => load(file, options)),
  score(predictions, questions) {
    const labels = new Map(questions.map(({ id, answers }) => [id, answers[0] === 'yes']))
    const splits = new Map<string, Answered[]>()
    for (const { id, task, reply } of predictions) {
      const answered = { yes: referenceYesNo(reply) === 'yes', label: labels.get(id) ?? false }
      splits.set(task, [...(splits.get(task) ?? []), answered])
    }
    const all = [...splits.values()].flat()
    // The mean of the splits; its interval resamples within the pool, whose splits are of one size.
    const mean = [...splits.values()].reduce((sum, items) => sum + f1(items), 0) / splits.size
    const measures = (items: readonly Answered[], value: number) => ({
      accuracy: share(items, ({ yes, label }) => yes === label),
      F1: { value: Number.isNaN(value) ? 0 : value, n: items.length, ...bootstrap(items, f1) },
      'says yes': share(items, ({ yes }) => yes),
    })
    const parts = Object.fromEntries([...splits].map(([split, items]) => [split, measures(items, f1(items))]))
    return { ...parts, overall: measures(all, mean) }
  },
}
