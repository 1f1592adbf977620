/**
 * Writes nano's model card: `node dist/examples/nano/card.js [MODEL [RUN...]] [--seed MODEL]...`. Asks every held-out question set in
 * work/eval (scores.ts), puts the pixel nearest neighbour and the majority answer beside the answers, and lists the runs that made the
 * model (their metrics.jsonl and probes.jsonl) and the data. A run whose name ends in "language" is what perplexity is compared with.
 * Every figure of the card comes from here.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { basename, join, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { wilson } from '../../src/evaluate/metrics/wilson.js'
import type { Score } from '../../src/evaluate/report.js'
import { imageTokens } from '../../src/model/image-rows.js'
import { openModel } from '../../src/model/open-checkpoint.js'
import type { ModelPart } from '../../src/model/parameter-spec.js'
import type { StepMetrics } from '../../src/train/state.js'
import { curvesSvg } from './curves.js'
import { repositoryRoot as root, workRoot as work } from './paths.js'
import { askEverything, type Scores } from './scores.js'

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

/** What a newcomer wants to know first: a task in plain words, and where its figures stand. */
const abilities: readonly (readonly [string, readonly string[]])[] = [
  ['name a drawing of one thing (850 are known), in English and Chinese', ['naming_known_en', 'naming_known_zh']],
  ['the same in a style of drawing that it never saw', ['naming_unseen_en', 'naming_unseen_zh']],
  ['tell a fact of the country whose flag it is shown', ['flags']],
  ['read one printed word or number', ['ocr']],
  ['point at a thing in a simple scene', ['pointing', 'pointing_held_out']],
  ['count one to six copies of a thing', ['counting', 'counting_held_out']],
  ['read a small bar, pie or line chart', ['charts']],
]
const limits = [
  'photographs, faces, screenshots, handwriting: it has seen drawings only, at 64 by 64 pixels',
  'more than one word or number in a picture, and things outside its 850',
  'more than six of a thing, or relations between more than three',
  'reasoning, arithmetic beyond one digit, following unusual instructions, long dialogues',
]

const percent = (x: number) => (100 * x).toFixed(1)
const cell = (s: Score | undefined) => (s ? `${percent(s.score)} (${percent(s.low)}-${percent(s.high)})` : '-')

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { seed: { type: 'string', multiple: true, default: [] } },
    allowPositionals: true,
  })
  const [model = join(root, 'models', 'nano'), ...runDirs] = positionals
  const dir = resolve(model)
  const runs = runDirs.map(summariseRun)
  const baselines = JSON.parse(readFileSync(join(work, 'eval', 'baselines.json'), 'utf8')) as Record<string, Baseline>
  const { sources } = JSON.parse(readFileSync(join(work, 'sources.json'), 'utf8')) as { sources: Source[] }
  const scores = await askEverything(
    dir,
    values.seed,
    runDirs.find((run) => run.endsWith('language')),
  )
  for (const [task, score] of Object.entries(scores.tasks))
    console.error(`${task}: ${cell(score.model)}; text only ${cell(score.blind)}`)
  writeFileSync(join(dir, 'scores.json'), `${JSON.stringify({ ...scores, baselines, runs }, null, 2)}\n`)
  const curves = curvesSvg(runDirs)
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
  { tasks, language, perplexity }: Scores,
  baselines: Record<string, Baseline>,
  sources: readonly Source[],
  runs: readonly RunSummary[],
  curves: boolean,
): string {
  const { specs, config } = openModel(dir)
  const millions = (part?: ModelPart) =>
    (specs.filter((s) => !part || s.part === part).reduce((n, s) => n + s.shape.reduce((a, b) => a * b, 1), 0) / 1e6).toFixed(2)
  const rows = Object.entries(tasks).map(([task, s]) => {
    const b = baselines[task]
    const interval = (p: number | undefined) =>
      b && p !== undefined ? cell({ score: p, n: b.questions, ...wilson(Math.round(p * b.questions), b.questions) }) : '-'
    const best = Math.max(s.blind.score, b?.nearest ?? 0, b?.majority ?? 0)
    const ratio = best > 0 ? (s.model.score / best).toFixed(1) : '-'
    return `| ${task} | ${meaning[task] ?? ''} | ${s.model.n} | **${cell(s.model)}** | ${s.seeds.map((seed) => percent(seed.score)).join(', ') || '-'} | ${interval(b?.nearest)} | ${cell(s.blind)} | ${interval(b?.majority)} | ${ratio} |`
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

It is a demonstration that fits into a repository, not a model to rely on.

| it can | right answers in a hundred |
|---|---|
${abilities.map(([what, names]) => `| ${what} | ${names.map((name) => Math.round(100 * (tasks[name]?.model.score ?? 0))).join(' and ')} |`).join('\n')}
| answer in the language of the question | ${Math.round(100 * language.score)} |
| write a short article about a thing that it knows, in English or Chinese, and choose and caption pictures for it | not scored |

| it cannot |
|---|
${limits.map((limit) => `| ${limit} |`).join('\n')}

## Scores

Percent right with 95 % intervals, on data that training never saw. *Nearest*: the answer of the training picture with the nearest
pixels. *Text only*: this model, not given the picture. *Other seeds*: the last stage of the recipe run again with another seed. *Majority*: the most frequent training answer. *Times*: the model against the
best of the three.

| task | what is asked | n | nano | other seeds | nearest | text only | majority | times |
|---|---|---|---|---|---|---|---|---|
${rows.join('\n')}

Of ${language.n} answers in words ${cell(language)} % are in the question's language.${perplexity ? ` Perplexity of documents that training did not see: ${perplexity.before.toFixed(2)} after step 0, ${perplexity.after.toFixed(2)} as shipped.` : ''}

Written by \`node dist/examples/nano/card.js ${relative(root, dir)}\` from \`recipes/nano/work/eval\` (\`npm run nano:data\`); the numbers are in
\`scores.json\`.

## Training

| run | steps | loss at the end (mean of 50 steps) | hours |
|---|---|---|---|
${runs.map((r) => `| ${r.name} | ${r.steps} | ${r.loss.toFixed(3)} | ${r.hours.toFixed(2)} |`).join('\n')}

${curves ? 'Percent right on the first 50 held-out questions of each task as training goes on (`probe` of the recipes):\n\n![Learning curves](curves.svg)\n' : ''}
The stages are those of \`recipes/nano\`. \`docs/log.md\` says
where a run differed from its recipe.

## Data

Rendered and written by \`npm run nano:data\` from these packages. Trained pictures are not part of this repository.

| package | version | licence | used for | count |
|---|---|---|---|---|
${sources.map((s) => `| ${s.package} | ${s.version} | ${s.licence} | ${s.used} | ${s.count} |`).join('\n')}
`
}

await main()
