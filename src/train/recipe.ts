/**
 * The training recipe: a YAML file with one dial for each thing a run may choose, everything else derived from the stage and
 * printed (SPEC section 11.1). There is no inheritance between recipes: what a run does stands in one file. It does not know how
 * training is done.
 */
import { readFileSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, resolve } from 'node:path'
import { z } from 'zod'
import { InputError } from '../common/errors.js'
import { FORMAT_NAMES } from '../data/formats/index.js'
import { adapterField, DEFAULT_TILES, projectorField } from '../model/config.js'
import { type ModelPart, modelParts } from '../model/parameter-spec.js'
import type { ModelOverrides } from './model-overrides.js'
import { describeOptimizer, type OptimizerSettings, optimizerField, optimizers } from './optimizers.js'
import { checkYaml } from './recipe-yaml.js'
import { warmupSteps } from './schedule.js'

export type Stage = 'language' | 'vision' | 'align' | 'pretrain' | 'sft'

export interface RecipeData {
  /** Of records; where samples are drawn, the module of generators. */
  readonly file: string
  /** The generator that draws samples. */
  readonly generator?: string
  /** Share of this file among those of its kind, relative; default 1. */
  readonly weight: number
  readonly augment: 'none' | 'sprite' | 'photo'
  /** Absent: found out from the records. */
  readonly format?: string
  /** What image paths are relative to; absent: the file's folder. */
  readonly imageFolder?: string
}

export interface RecipeProbe {
  /** Question files. */
  readonly files: readonly string[]
  /** Steps between two probes. */
  readonly every: number
  /** Questions of each task, the first ones. */
  readonly questions: number
}

/** A recipe with every value filled in; paths are absolute. */
export interface Recipe {
  readonly file: string
  readonly stage: Stage
  /** A model directory to continue from, or a config.json to start from with fresh weights. */
  readonly start: { readonly from: string } | { readonly config: string }
  /** A model directory whose vision tower replaces the one of `start`, as the paper starts from a pretrained CLIP. */
  readonly visionFrom?: string
  /** Another adapter or projector than the model has that the run starts from. */
  readonly model?: ModelOverrides
  readonly out: string
  /** Absent: the tokenizer of the model continued from. */
  readonly tokenizer?: string
  readonly data: readonly RecipeData[]
  /** Records whose images are missing or damaged are left out, instead of ending the run before it starts. */
  readonly skipBad?: boolean
  /** Threads that draw samples. */
  readonly drawThreads: number
  /** Weight of an image's labels (classified by the vision tower) beside one token of an answer; 0: they are left out. */
  readonly labelLoss: number
  /** Fraction of samples drawn from text-only files; absent: by weight alone. */
  readonly textShare?: number
  readonly batchSize: number
  /** Micro-batches whose targets are averaged in one optimiser step. */
  readonly accumulate: number
  readonly maxLength: number
  /** Tiles that an image of a tiled (hd) model may be cut into. */
  readonly maxTiles: number
  /** Batches whose samples are sorted by length together: more waste less padding, fewer mix better. */
  readonly sortWindow: number
  readonly steps: number
  /** AdamW, or Muon with AdamW for what is no hidden matrix. */
  readonly optimizer: OptimizerSettings
  /** AdamW's. */
  readonly learningRate: number
  readonly warmupRatio: number
  readonly warmupSteps: number
  readonly weightDecay: number
  readonly betas: readonly [number, number]
  readonly eps: number
  /** Largest norm of all gradients together. */
  readonly clip: number
  readonly vitLayerDecay: number
  readonly decoderLrFactor: number
  readonly visionLrFactor: number
  readonly projectorLrFactor: number
  /** Blocks of the vision tower that learn, counted from its end; absent: the whole tower. */
  readonly visionLayers?: number
  readonly ploraInit: 'zero_b' | 'literal'
  readonly freeze: readonly ModelPart[]
  /** The parts that are not frozen. */
  readonly train: readonly ModelPart[]
  readonly seed: number
  /** Questions asked as the run goes on, for learning curves. */
  readonly probe?: RecipeProbe
  readonly checkpointEvery: number
  /** Checkpoints kept, the newest ones. */
  readonly keep: number
  readonly threads: number
  readonly dtype: 'f32' | 'f16'
}

/** Which parts a stage leaves alone, unless the recipe says otherwise (SPEC section 11.1). */
const FROZEN: Readonly<Record<Stage, readonly ModelPart[]>> = {
  language: ['vision', 'projector', 'adapter'],
  vision: ['projector', 'adapter', 'decoder'],
  align: ['adapter', 'decoder'],
  pretrain: ['decoder'],
  sft: [],
}

/** Steps between two states at most, where the recipe says nothing. */
const MAX_CHECKPOINT_STEPS = 250

const MAX_BYTES = 1_000_000

const count = (max: number) =>
  z
    .int({ error: `expected a whole number from 1 to ${max}` })
    .min(1)
    .max(max)
const path = z.string().min(1, 'expected a path')
/** A part of the model; recipes of before adapters were a choice say plora. */
const frozenPart = z.preprocess((name) => (name === 'plora' ? 'adapter' : name), z.enum(modelParts))
const fraction = z.number().min(0).max(1)

const Schema = z
  .strictObject({
    stage: z.enum(['language', 'vision', 'align', 'pretrain', 'sft']),
    from: path.optional(),
    init: z.strictObject({ config: path }).optional(),
    vision_from: path.optional(),
    model: z.strictObject({ adapter: adapterField.optional(), projector: projectorField.optional() }).optional(),
    out: path,
    tokenizer: path.optional(),
    generators: path.optional(),
    draw_threads: count(64).default(1),
    label_loss: z.number().min(0).max(1000).default(0),
    data: z
      .array(
        z.strictObject({
          file: path.optional(),
          draw: z.string().min(1).optional(),
          weight: z.number().positive().default(1),
          augment: z.enum(['none', 'sprite', 'photo']).default('none'),
          format: z.enum(FORMAT_NAMES as [string, ...string[]]).default('auto'),
          image_folder: path.optional(),
        }),
      )
      .min(1, 'expected at least one file'),
    skip_bad: z.boolean().default(false),
    text_share: fraction.optional(),
    batch_size: count(65_536),
    accumulate: count(65_536).default(1),
    max_length: count(1_048_576),
    max_tiles: count(1000).default(DEFAULT_TILES),
    sort_window: count(1024).optional(),
    steps: count(1_000_000_000),
    optimizer: optimizerField.default({ type: 'adamw' }),
    learning_rate: z.number().positive().max(1).optional(),
    warmup_ratio: fraction.default(0.01),
    weight_decay: fraction.default(0.1),
    betas: z.tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)]).default([0.9, 0.95]),
    eps: z.number().positive().max(1).default(1e-8),
    clip: z.number().positive().default(1),
    vit_layer_decay: z.number().positive().max(1).default(0.9),
    decoder_lr_factor: z.number().positive().max(100).optional(),
    vision_layers: count(1000).optional(),
    vision_lr_factor: z.number().positive().max(100).default(1),
    projector_lr_factor: z.number().positive().max(100).default(1),
    plora_init: z.enum(['zero_b', 'literal']).default('zero_b'),
    freeze: z.array(frozenPart).optional(),
    seed: z.int().min(0).default(0),
    probe: z
      .strictObject({ files: z.array(path).min(1), every: count(1_000_000_000), questions: count(100_000).default(50) })
      .optional(),
    checkpoint_every: count(1_000_000_000).optional(),
    keep: count(1_000_000).default(2),
    threads: count(1024).optional(),
    dtype: z.enum(['f32', 'f16']).default('f32'),
  })
  .superRefine((recipe, context) => {
    const wrong = (field: string, message: string): void => context.addIssue({ code: 'custom', path: [field], message })
    if ((recipe.from === undefined) === (recipe.init === undefined)) {
      wrong(
        recipe.from === undefined ? 'from' : 'init',
        'expected either from (a model directory) or init (a config), exactly one',
      )
    }
    if (recipe.init !== undefined && recipe.tokenizer === undefined)
      wrong('tokenizer', 'expected a path, since init brings no tokenizer')
    if (recipe.learning_rate === undefined && optimizers[recipe.optimizer.type].learningRate === undefined)
      wrong('learning_rate', 'expected a number greater than 0 and at most 1')
    recipe.data.forEach((entry, i) => {
      const problem = dataProblem(entry, recipe.generators !== undefined)
      if (problem) context.addIssue({ code: 'custom', path: ['data', i, ...problem.field], message: problem.message })
    })
    if (modelParts.every((group) => recipe.freeze?.includes(group)))
      wrong('freeze', 'every part is frozen; leave at least one to train')
  })

/** An entry is a file or a generator, and what belongs to files is not said of generators. */
function dataProblem(
  entry: { file?: string | undefined; draw?: string | undefined; format: string; image_folder?: string | undefined },
  generators: boolean,
): { field: string[]; message: string } | undefined {
  if ((entry.file === undefined) === (entry.draw === undefined))
    return { field: ['file'], message: 'expected either file (of records) or draw (the name of a generator), exactly one' }
  if (entry.draw === undefined) return undefined
  if (!generators)
    return { field: ['draw'], message: 'needs the field generators beside data: the module that has this generator' }
  const odd = entry.format !== 'auto' ? 'format' : entry.image_folder !== undefined ? 'image_folder' : undefined
  return odd ? { field: [odd], message: 'belongs to files, not to samples that are drawn' } : undefined
}

/**
 * Reads and checks a recipe and fills in what it leaves out. Throws InputError naming file, line and field, for a wrong value, an
 * unknown field, or a path to read that does not exist.
 */
export function loadRecipe(file: string): Recipe {
  const { value, fail } = checkYaml(file, readText(file), Schema)
  const absolute = (name: string): string => resolve(dirname(file), name)
  const existing = (field: readonly PropertyKey[], name: string, kind: 'file' | 'directory'): string => {
    const stat = name.includes('\0') ? undefined : statSync(absolute(name), { throwIfNoEntry: false })
    if (!(kind === 'file' ? stat?.isFile() : stat?.isDirectory()))
      return fail(field, `no ${kind} "${name}" (paths are relative to the recipe)`)
    return absolute(name)
  }
  const frozen = value.freeze ?? FROZEN[value.stage]
  return {
    file,
    stage: value.stage,
    start:
      value.init === undefined
        ? { from: existing(['from'], value.from ?? '', 'directory') }
        : { config: existing(['init', 'config'], value.init.config, 'file') },
    ...(value.vision_from === undefined ? {} : { visionFrom: existing(['vision_from'], value.vision_from, 'directory') }),
    ...(value.model === undefined ? {} : { model: overridesOf(value.model) }),
    out: absolute(value.out),
    ...(value.tokenizer === undefined ? {} : { tokenizer: existing(['tokenizer'], value.tokenizer, 'file') }),
    // What is left at its default stays out of the recipe, so that older states still belong to it.
    data: value.data.map(({ file: name, draw, weight, augment, format, image_folder }, i) => ({
      file:
        draw === undefined
          ? existing(['data', i, 'file'], name ?? '', 'file')
          : existing(['generators'], value.generators ?? '', 'file'),
      ...(draw === undefined ? {} : { generator: draw }),
      weight,
      augment,
      ...(format === 'auto' ? {} : { format }),
      ...(image_folder === undefined ? {} : { imageFolder: existing(['data', i, 'image_folder'], image_folder, 'directory') }),
    })),
    drawThreads: value.draw_threads,
    labelLoss: value.label_loss,
    ...(value.skip_bad ? { skipBad: true } : {}),
    ...(value.text_share === undefined ? {} : { textShare: value.text_share }),
    batchSize: value.batch_size,
    accumulate: value.accumulate,
    maxLength: value.max_length,
    maxTiles: value.max_tiles,
    // Where only images are looked at, the length of the text says nothing but what kind of image it is.
    sortWindow: value.sort_window ?? (value.stage === 'vision' || value.stage === 'align' ? 1 : 4),
    steps: value.steps,
    optimizer: value.optimizer,
    learningRate: value.learning_rate ?? optimizers[value.optimizer.type].learningRate ?? 0,
    warmupRatio: value.warmup_ratio,
    warmupSteps: warmupSteps(value.warmup_ratio, value.steps),
    weightDecay: value.weight_decay,
    betas: value.betas,
    eps: value.eps,
    clip: value.clip,
    vitLayerDecay: value.vit_layer_decay,
    decoderLrFactor: value.decoder_lr_factor ?? (value.stage === 'sft' ? 0.2 : 1),
    visionLrFactor: value.vision_lr_factor,
    projectorLrFactor: value.projector_lr_factor,
    ...(value.vision_layers === undefined ? {} : { visionLayers: value.vision_layers }),
    ploraInit: value.plora_init,
    freeze: modelParts.filter((group) => frozen.includes(group)),
    train: modelParts.filter((group) => !frozen.includes(group)),
    seed: value.seed,
    ...(value.probe
      ? { probe: { ...value.probe, files: value.probe.files.map((name, i) => existing(['probe', 'files', i], name, 'file')) } }
      : {}),
    checkpointEvery: value.checkpoint_every ?? Math.min(Math.ceil(value.steps / 10), MAX_CHECKPOINT_STEPS),
    keep: value.keep,
    threads: value.threads ?? availableParallelism(),
    dtype: value.dtype,
  }
}

function readText(file: string): string {
  const stat = statSync(file, { throwIfNoEntry: false })
  if (!stat?.isFile()) throw new InputError(`${file}: no such recipe file`)
  if (stat.size > MAX_BYTES) throw new InputError(`${file}: ${stat.size} bytes, expected a recipe of at most ${MAX_BYTES}`)
  return readFileSync(file, 'utf8')
}

function overridesOf({
  adapter,
  projector,
}: {
  adapter?: Settings | undefined
  projector?: Settings | undefined
}): ModelOverrides {
  return { ...(adapter ? { adapter } : {}), ...(projector ? { projector } : {}) }
}

type Settings = Readonly<Record<string, unknown>>

/** "lora, rank 8". */
function settingsText({ type, ...rest }: Settings): string {
  return [type, ...Object.entries(rest).map(([name, value]) => `${name} ${value}`)].join(', ')
}

/** Every value of the run as text, one a line, the derived ones included: what a log starts with. */
export function describeRecipe(recipe: Recipe): string {
  const { start, data } = recipe
  const rows: [string, string | number][] = [
    ['stage', recipe.stage],
    ['start', 'from' in start ? `continue ${start.from}` : `fresh weights for ${start.config}`],
    ...(recipe.visionFrom ? ([['vision tower', `of ${recipe.visionFrom}`]] as [string, string][]) : []),
    ...Object.entries(recipe.model ?? {}).map(([part, c]): [string, string] => [part, settingsText(c)]),
    ['out', `${recipe.out} (${recipe.dtype})`],
    ['tokenizer', recipe.tokenizer ?? 'of the model continued from'],
    ...data.map((entry): [string, string] => ['data', describeData(entry)]),
    ...(recipe.skipBad ? ([['bad images', 'their records are left out']] as [string, string][]) : []),
    ...(recipe.labelLoss > 0 ? ([['label loss', recipe.labelLoss]] as [string, number][]) : []),
    ['text share', recipe.textShare ?? 'by weight'],
    ['trained', recipe.train.join(', ')],
    ['frozen', recipe.freeze.join(', ') || 'nothing'],
    ['samples per step', `${recipe.batchSize * recipe.accumulate} (batch ${recipe.batchSize} x accumulate ${recipe.accumulate})`],
    ['max length', recipe.maxLength],
    ['sorted by length', `within ${recipe.sortWindow} batches`],
    ['steps', `${recipe.steps}, ${recipe.steps * recipe.batchSize * recipe.accumulate} samples in all`],
    ['learning rate', `${recipe.learningRate}, warm-up ${recipe.warmupSteps} steps, then cosine to 0`],
    ['decoder rate factor', recipe.decoderLrFactor],
    ['vision rate factor', recipe.visionLrFactor],
    ['projector factor', recipe.projectorLrFactor],
    ...(recipe.visionLayers ? ([['vision blocks', `the last ${recipe.visionLayers}`]] as [string, number | string][]) : []),
    ['vision layer decay', recipe.vitLayerDecay === 1 ? 'off' : recipe.vitLayerDecay],
    ['optimizer', describeOptimizer(recipe.optimizer, recipe)],
    ['PLoRA init', recipe.ploraInit],
    ...(recipe.probe
      ? ([['probe', `every ${recipe.probe.every} steps, ${recipe.probe.questions} questions a task`]] as [string, string][])
      : []),
    ['checkpoint', `every ${recipe.checkpointEvery} steps, the last ${recipe.keep} kept`],
    ['seed', recipe.seed],
    ['threads', recipe.threads],
  ]
  const width = Math.max(...rows.map(([name]) => name.length))
  return `${rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n')}\n`
}

function describeData({ file, generator, weight, augment, format, imageFolder }: RecipeData): string {
  const form = format === undefined ? '' : `, format ${format}`
  const what = generator === undefined ? file : `drawn by ${generator} of ${file}`
  return `${what}, weight ${weight}, augment ${augment}${form}${imageFolder === undefined ? '' : `, images in ${imageFolder}`}`
}
