/** `xcomposer eval`: asks every question of a file, scores the replies, prints a table or JSON with 95 % intervals. */

import { dirname, resolve } from 'node:path'
import { InputError } from '../common/errors.js'
import type { ReadQuestion } from '../data/questions.js'
import { withUsableImages } from '../data/usable-images.js'
import { batchAnswerer, modelAnswerer } from '../evaluate/answerer.js'
import { majorityAnswer } from '../evaluate/baselines.js'
import type { Benchmark } from '../evaluate/benchmarks/benchmark.js'
import { questions as questionFiles } from '../evaluate/benchmarks/questions.js'
import { benchmarkNamed, benchmarks, metricsTable } from '../evaluate/benchmarks/table.js'
import { chooseQuestions, evaluate } from '../evaluate/evaluate.js'
import { modelFingerprint, PredictionsFile, questionsFingerprint } from '../evaluate/predictions-file.js'
import { reportTable } from '../evaluate/report.js'
import { isCorrect } from '../evaluate/scorers.js'
import { type Args, type Command, onlyPositional } from './command.js'
import { type Io, progressLine } from './io.js'
import { modelDirectory, modelHelp, modelOptions } from './model-choice.js'
import { loadModel } from './model-options.js'
import { checkOutputFile } from './output-file.js'

export const evalCommand: Command = {
  name: 'eval',
  summary: 'measure a model on a file of questions',
  options: {
    ...modelOptions,
    'max-new-tokens': { type: 'string' },
    beams: { type: 'string' },
    batch: { type: 'string' },
    limit: { type: 'string' },
    baseline: { type: 'string' },
    predictions: { type: 'string' },
    images: { type: 'string' },
    'skip-bad': { type: 'boolean' },
    benchmark: { type: 'string' },
    json: { type: 'boolean' },
  },
  help: `Usage: xcomposer eval FILE|FOLDER [options]

Asks every question greedily and scores the replies. A line of the file is
  {"id", "task", "images": [FILE...], "question", "answers": [any accepted...], "scorer": "exact|contains|choice|relaxed|box"}
with image paths relative to the file, or to --images.

      --benchmark NAME       what the file is:
${benchmarks.map(({ name, summary }) => `                               ${name.padEnd(10)} ${summary}`).join('\n')}
      --json                 print {overall: {score, n, low, high}, tasks: {NAME: {score, n, low, high}}};
                             of other benchmarks {benchmark, metrics: {GROUP: {METRIC: {value, low, high, n}}}}
      --predictions FILE     write every reply as it comes, as a line {id, task, question, reply, answers, correct};
                             after an interrupt the same command goes on
      --images DIR           what image paths are relative to (default: the folder of the questions)
      --skip-bad             leave out questions whose images are missing or damaged, and count them
      --limit N              ask only N questions, of every task in turn
      --baseline NAME        text-only: the model without the pictures; majority: the answer most often right, without a model
      --max-new-tokens N     longest reply in tokens (default 64)
      --beams N              beam search, 1 to 16 (default 1)
      --batch N              questions answered together, 1 to 256: sooner, for more memory (default 1); not with --beams
${modelHelp}

Example:
  xcomposer eval out/tiny/questions.jsonl --model out/tiny/model --predictions replies.jsonl
`,
  async run(args, io) {
    const file = onlyPositional(args, 'eval', 'one file of questions')
    const benchmark = benchmarkNamed(args.text('benchmark') ?? 'questions')
    const baseline = args.oneOf('baseline', ['text-only', 'majority'] as const)
    const limit = args.wholeNumber('limit', 1, 1_000_000_000)
    const maxNewTokens = args.wholeNumber('max-new-tokens', 1, 1_000_000) ?? 64
    const beams = args.wholeNumber('beams', 1, 16) ?? 1
    const wanted = args.wholeNumber('batch', 1, 256) ?? 1
    if (wanted > 1 && beams > 1) throw new InputError('--batch: beams are already decoded together; leave out --batch or --beams')
    const predictionsFile = args.text('predictions')
    if (predictionsFile !== undefined) checkOutputFile('--predictions', predictionsFile)
    if (predictionsFile !== undefined && resolve(predictionsFile) === resolve(file))
      throw new InputError('--predictions: names the file of questions; name another')
    const all = readAsked(benchmark, file, args, io)
    const { questions, skipped } = await usable(
      file,
      chooseQuestions(all.questions, limit),
      all,
      baseline === undefined,
      args,
      io,
    )
    // Rows without a question would only be planned for.
    const batch = Math.min(wanted, questions.length)
    const model = baseline === 'majority' ? undefined : await loadModel(args, io, 'model', batch)
    const progress = progressLine(io)
    let predictions: PredictionsFile | undefined
    let [done, right] = [0, 0]
    try {
      if (predictionsFile !== undefined) {
        predictions = PredictionsFile.open(
          predictionsFile,
          {
            questions: questionsFingerprint(questions, dirname(file)),
            model: model ? modelFingerprint(modelDirectory(args)) : 'none',
            options: { 'max-new-tokens': maxNewTokens, beams, ...(baseline ? { baseline } : {}) },
          },
          questions,
        )
        const { replies } = predictions
        const before = questions.filter(({ id }) => replies.has(id))
        done = before.length
        right = before.filter(({ id, scorer, answers }) => isCorrect(scorer, replies.get(id) ?? '', answers)).length
        if (done > 0) io.err(`${predictionsFile}: going on after ${done} of ${questions.length} replies\n`)
      }
      const options = { maxNewTokens, signal: io.signal }
      const answer = !model
        ? majorityAnswer(all.questions)
        : batch > 1
          ? batchAnswerer(model, batch, options, baseline !== 'text-only')
          : modelAnswerer(model, { ...options, ...(beams > 1 ? { beams } : {}) }, baseline !== 'text-only')
      const { report, predictions: replies } = await evaluate(questions, answer, {
        ...(predictions ? { replies: predictions.replies } : {}),
        signal: io.signal,
        onProgress: (count, total, prediction) => {
          predictions?.add(prediction)
          done = count
          right += prediction.correct ? 1 : 0
          progress.update(`${count}/${total}  ${((100 * right) / done).toFixed(1)} % right so far`)
        },
      })
      progress.end()
      predictions?.finish()
      const own = benchmark === questionFiles
      const metrics = own ? {} : benchmark.score(replies, questions)
      const scores = { ...(own ? report : { benchmark: benchmark.name, metrics }), ...(skipped > 0 ? { skipped } : {}) }
      io.out(args.flag('json') ? `${JSON.stringify(scores)}\n` : own ? reportTable(report) : metricsTable(metrics))
      return 0
    } catch (error) {
      progress.end()
      if (done > 0) io.err(`${goingOn(done, right, questions.length, predictionsFile)}\n`)
      throw error
    } finally {
      progress.end()
      predictions?.close()
      await model?.dispose()
    }
  },
}

interface Asked {
  readonly questions: readonly ReadQuestion[]
  /** Questions left out because an image is missing, a line for each. */
  readonly missing: readonly string[]
}

function readAsked(benchmark: Benchmark, file: string, args: Args, io: Io): Asked {
  io.signal.throwIfAborted()
  const missing: string[] = []
  const onMissing = (where: string, message: string) => missing.push(`${file}: ${where}: ${message}`)
  const folder = args.text('images')
  const questions = benchmark.load(file, {
    ...(folder === undefined ? {} : { imageFolder: folder }),
    ...(args.flag('skip-bad') ? { onMissing } : {}),
  })
  return { questions, missing }
}

/** The questions whose images can be decoded, found out before the first is asked; a baseline that does not look needs none. */
async function usable(
  file: string,
  chosen: readonly ReadQuestion[],
  { missing }: Asked,
  looks: boolean,
  args: Args,
  io: Io,
): Promise<{ questions: readonly ReadQuestion[]; skipped: number }> {
  const [questions = []] = await withUsableImages([{ file, records: chosen.map((q) => (looks ? q : { ...q, images: [] })) }], {
    skipBad: args.flag('skip-bad'),
    missing,
    onNotice: (line) => io.err(`${line}\n`),
    signal: io.signal,
  })
  const skipped = missing.length + chosen.length - questions.length
  if (questions.length === 0) throw new InputError(`${file}: no question is left; the images of all are missing or damaged`)
  if (skipped > 0) io.err(`${file}: ${skipped} question(s) left out for their images\n`)
  return { questions, skipped }
}

/** What is said when a measurement ends early: nothing given so far is lost. */
function goingOn(done: number, right: number, total: number, file: string | undefined): string {
  const how =
    file === undefined
      ? 'with --predictions FILE they are kept, and the same command goes on'
      : `they are in ${file}, and the same command goes on after them`
  return `ended after ${done} of ${total} replies, ${((100 * right) / done).toFixed(1)} % of them right; ${how}`
}
