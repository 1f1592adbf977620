/** `xcomposer eval`: asks every question of a file, scores the replies, prints a table or JSON with 95 % intervals. */

import { writeAll, writeFileAtomically } from '../common/atomic.js'
import { InputError } from '../common/errors.js'
import { type Question, readQuestions } from '../data/questions.js'
import { batchAnswerer, modelAnswerer } from '../evaluate/answerer.js'
import { majorityAnswer } from '../evaluate/baselines.js'
import { evaluate, type Prediction } from '../evaluate/evaluate.js'
import { reportTable } from '../evaluate/report.js'
import { type Command, onlyPositional } from './command.js'
import { progressLine } from './io.js'
import { loadModel, modelHelp, modelOptions } from './model-options.js'
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
    json: { type: 'boolean' },
  },
  help: `Usage: xcomposer eval QUESTIONS.jsonl [options]

Asks every question greedily and scores the replies. A line of the file is
  {"id", "task", "images": [FILE...], "question", "answers": [any accepted...], "scorer": "exact|contains|choice|relaxed|box"}
with image paths relative to the file.

      --json                 print {overall: {score, n, low, high}, tasks: {NAME: {score, n, low, high}}}
      --predictions FILE     write every reply as a line {id, task, question, reply, answers, correct}
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
    const baseline = args.oneOf('baseline', ['text-only', 'majority'] as const)
    const limit = args.wholeNumber('limit', 1, 1_000_000_000)
    const maxNewTokens = args.wholeNumber('max-new-tokens', 1, 1_000_000) ?? 64
    const beams = args.wholeNumber('beams', 1, 16) ?? 1
    const wanted = args.wholeNumber('batch', 1, 256) ?? 1
    if (wanted > 1 && beams > 1) throw new InputError('--batch: beams are already decoded together; leave out --batch or --beams')
    const predictionsFile = args.text('predictions')
    if (predictionsFile !== undefined) checkOutputFile('--predictions', predictionsFile)
    const questions = readQuestions(file)
    // Rows without a question would only be planned for.
    const batch = Math.min(wanted, questions.length, limit ?? wanted)
    const model = baseline === 'majority' ? undefined : await loadModel(args, io, 'model', batch)
    const progress = progressLine(io)
    try {
      const options = { maxNewTokens, signal: io.signal }
      const answer = !model
        ? majorityAnswer(questions)
        : batch > 1
          ? batchAnswerer(model, batch, options, baseline !== 'text-only')
          : modelAnswerer(model, { ...options, ...(beams > 1 ? { beams } : {}) }, baseline !== 'text-only')
      let right = 0
      const { report, predictions } = await evaluate(questions, answer, {
        ...(limit === undefined ? {} : { limit }),
        onProgress: (done, total, { correct }) => {
          right += correct ? 1 : 0
          progress.update(`${done}/${total}  ${((100 * right) / done).toFixed(1)} % right so far`)
        },
      })
      progress.end()
      if (predictionsFile !== undefined) writePredictions(predictionsFile, predictions, questions)
      io.out(args.flag('json') ? `${JSON.stringify(report)}\n` : reportTable(report))
      return 0
    } finally {
      progress.end()
      await model?.dispose()
    }
  },
}

function writePredictions(file: string, predictions: readonly Prediction[], questions: readonly Question[]): void {
  const asked = new Map(questions.map((question) => [question.id, question]))
  const lines = predictions.map(({ id, task, reply, correct }) => {
    const { question, answers } = asked.get(id) ?? {}
    return `${JSON.stringify({ id, task, question, reply, answers, correct })}\n`
  })
  try {
    writeFileAtomically(file, (fd) => writeAll(fd, Buffer.from(lines.join(''), 'utf8')))
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    throw new InputError(`--predictions: ${file} cannot be written (${code ?? message}); name a file in a folder that exists`, {
      cause,
    })
  }
}
