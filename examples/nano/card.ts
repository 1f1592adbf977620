/**
 * Writes nano's model card: `node dist/examples/nano/card.js [MODEL [RUN...]]`. Asks every held-out question set in work/eval with
 * the model and without the pictures, puts the pixel nearest neighbour and the majority answer beside them, and lists the runs that
 * made it (their metrics.jsonl) and the data. Every figure of the card comes from here.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { basename, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readQuestions } from '../../src/data/questions.js'
import { modelAnswerer } from '../../src/evaluate/answerer.js'
import { evaluate } from '../../src/evaluate/evaluate.js'
import { wilson } from '../../src/evaluate/metrics/wilson.js'
import type { Score } from '../../src/evaluate/report.js'
import { XComposer } from '../../src/inference/xcomposer.js'
import { imageTokens } from '../../src/model/image-rows.js'
import { openModel } from '../../src/model/open-checkpoint.js'
import type { ModelPart } from '../../src/model/parameter-spec.js'
import type { StepMetrics } from '../../src/train/state.js'
import { curvesSvg } from './curves.js'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const work = join(root, 'recipes', 'nano', 'work')
const sets = ['naming_known', 'naming_unseen', 'flags', 'ocr', 'pointing', 'counting', 'charts']

interface Baseline {
  readonly questions: number
  readonly nearest: number
  readonly majority: number
}
interface Source {
  readonly package: string
  readonly version: string
  readonly licence: string
  readonly used: string
  readonly count: number
}

const meaning: Record<string, string> = {
  naming_known_en: 'name a concept, its style known, this picture held out (a), English',
  naming_known_zh: 'the same, Chinese',
  naming_unseen_en: 'name a concept in a style never seen, OpenMoji (b), English',
  naming_unseen_zh: 'the same, Chinese',
  flags: 'a fact of the country whose flag is shown; this pair of country and fact never asked of a picture (d)',
  ocr: 'read a word in a font never seen (c)',
  pointing: 'point at a named thing in a new scene, IoU >= 0.5',
  pointing_held_out: 'the same, with held-out pictures of the things',
  counting: 'count copies of a thing in a new scene',
  counting_held_out: 'the same, with held-out pictures of the things',
  charts: 'questions about charts of held-out tables (e)',
}

const percent = (x: number) => (100 * x).toFixed(1)
const cell = (s: Score | undefined) => (s ? `${percent(s.score)} (${percent(s.low)}-${percent(s.high)})` : '-')

async function main(): Promise<void> {
  const dir = resolve(process.argv[2] ?? join(root, 'models', 'nano'))
  const runs = process.argv.slice(3).map(summariseRun)
  const model = await XComposer.load(dir)
  const baselines = JSON.parse(readFileSync(join(work, 'eval', 'baselines.json'), 'utf8')) as Record<string, Baseline>
  const { sources } = JSON.parse(readFileSync(join(work, 'sources.json'), 'utf8')) as { sources: Source[] }
  const scores: Record<string, { model: Score; blind: Score }> = {}
  for (const set of sets) {
    const questions = readQuestions(join(work, 'eval', `${set}.jsonl`))
    const seeing = await evaluate(questions, modelAnswerer(model, { maxNewTokens: 32 }))
    const blind = await evaluate(questions, modelAnswerer(model, { maxNewTokens: 32 }, false))
    for (const [task, score] of Object.entries(seeing.report.tasks)) {
      scores[task] = { model: score, blind: blind.report.tasks[task] as Score }
      console.error(`${task}: ${cell(score)}; text only ${cell(blind.report.tasks[task])}`)
    }
  }
  model.dispose()
  writeFileSync(join(dir, 'scores.json'), `${JSON.stringify({ scores, baselines, runs }, null, 2)}\n`)
  const curves = curvesSvg(process.argv.slice(3))
  if (curves) writeFileSync(join(dir, 'curves.svg'), curves)
  writeFileSync(join(dir, 'README.md'), card(dir, scores, baselines, sources, runs, curves !== undefined))
}

interface RunSummary {
  readonly name: string
  readonly steps: number
  readonly loss: number
  readonly hours: number
}

function summariseRun(dir: string): RunSummary {
  const steps = readFileSync(join(dir, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as StepMetrics)
  const last = steps.slice(-50)
  const seconds = steps.reduce((sum, s) => sum + s.seconds, 0)
  return {
    name: basename(dir),
    steps: steps.length,
    loss: last.reduce((sum, s) => sum + s.loss, 0) / last.length,
    hours: seconds / 3600,
  }
}

function card(
  dir: string,
  scores: Record<string, { model: Score; blind: Score }>,
  baselines: Record<string, Baseline>,
  sources: readonly Source[],
  runs: readonly RunSummary[],
  curves: boolean,
): string {
  const { specs, config } = openModel(dir)
  const millions = (part?: ModelPart) =>
    (specs.filter((s) => !part || s.part === part).reduce((n, s) => n + s.shape.reduce((a, b) => a * b, 1), 0) / 1e6).toFixed(2)
  const rows = Object.entries(scores).map(([task, s]) => {
    const b = baselines[task]
    const interval = (p: number | undefined) =>
      b && p !== undefined ? cell({ score: p, n: b.questions, ...wilson(Math.round(p * b.questions), b.questions) }) : '-'
    const best = Math.max(s.blind.score, b?.nearest ?? 0, b?.majority ?? 0)
    const ratio = best > 0 ? (s.model.score / best).toFixed(1) : '-'
    return `| ${task} | ${meaning[task] ?? ''} | ${s.model.n} | **${cell(s.model)}** | ${interval(b?.nearest)} | ${cell(s.blind)} | ${interval(b?.majority)} | ${ratio} |`
  })
  const { adapter } = config.decoder
  const rank = adapter.type === 'plora' ? ` (rank ${adapter.others.rank})` : ''
  const storage = config.quantization
    ? `linear layers in ${config.quantization.bits}-bit blocks of ${config.quantization.blockSize}`
    : 'float'
  return `---
license: apache-2.0
language: [en, zh]
---
# nano

A bilingual vision-language model of ${millions()} M parameters with InternLM-XComposer2's architecture, trained from scratch by
\`recipes/nano\`: vision tower ${millions('vision')} M (convolutional stem, ${config.vision?.layers} transformer blocks, ${imageTokens(config)} tokens a picture of
${config.vision?.imageSize} x ${config.vision?.imageSize}), projector ${millions('projector')} M, InternLM2 decoder ${millions('decoder')} M, ${adapter.type} ${millions('adapter')} M${rank}. Stored: ${storage}.

It has been shown drawings of about 850 things, the world's flags, short printed words, small charts and simple scenes; the table says how
much of that it can tell. Its text is better than its eyes: it counts, and recognises the kind of a thing more often than the thing. It is a demonstration that fits into a repository, not a model to rely on.

## Scores

Percent right with 95 % intervals, on data that training never saw. *Nearest*: the answer of the training picture with the nearest
pixels. *Text only*: this model, not given the picture. *Majority*: the most frequent training answer. *Times*: the model against the
best of the three.

| task | what is asked | n | nano | nearest | text only | majority | times |
|---|---|---|---|---|---|---|---|
${rows.join('\n')}

Written by \`node dist/examples/nano/card.js ${relative(root, dir)}\` from \`recipes/nano/work/eval\` (\`npm run nano:data\`); the numbers are in
\`scores.json\`.

## Training

| run | steps | loss at the end (mean of 50 steps) | hours |
|---|---|---|---|
${runs.map((r) => `| ${r.name} | ${r.steps} | ${r.loss.toFixed(3)} | ${r.hours.toFixed(2)} |`).join('\n')}

${curves ? 'Percent right on the first 50 held-out questions of each task as training goes on (`probe` of the recipes):\n\n![Learning curves](curves.svg)\n' : ''}
The stages are those of \`recipes/nano\`; the decoder is the mean of the fine-tuned one and the one before (\`average.ts\`). \`docs/log.md\` says
where a run differed from its recipe.

## Data

Rendered and written by \`npm run nano:data\` from these packages. Trained pictures are not part of this repository.

| package | version | licence | used for | count |
|---|---|---|---|---|
${sources.map((s) => `| ${s.package} | ${s.version} | ${s.licence} | ${s.used} | ${s.count} |`).join('\n')}
`
}

await main()
