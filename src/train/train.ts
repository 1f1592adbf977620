/** Runs a training recipe: data, graph, optimiser, checkpoints, metrics. Knows no terminal; the caller prints. */
import { appendFileSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { writeSafetensors } from '../checkpoint/safetensors.js'
import { writeAll, writeFileAtomically, writeTextAtomically } from '../common/atomic.js'
import { InputError, XComposerError } from '../common/errors.js'
import { makeFolders } from '../common/folders.js'
import type { LabelTexts } from '../data/drawn.js'
import type { Question } from '../data/questions.js'
import type { Optimizer } from '../engine/index.js'
import type { ModelConfig } from '../model/config.js'
import { imageTokens } from '../model/image-rows.js'
import { fillFresh } from '../model/initial-values.js'
import { Tokenizer } from '../text/tokenizer.js'
import { type Batch, prefetch } from './batch.js'
import { checkTargets } from './check-targets.js'
import { alone, type Communicator } from './communicator.js'
import { type Dataset, openDataset } from './dataset.js'
import { isTrainable, tensorRates } from './groups.js'
import { lockDirectory } from './lock.js'
import { readLabelHeads, writeLabelHeads } from './objectives/label-heads-file.js'
import { labelHeads } from './objectives/label-terms.js'
import type { Objective } from './objectives/objective.js'
import { createObjective } from './objectives/table.js'
import { createOptimizer } from './optimizers.js'
import { type Answered, noteProbe, probeQuestions } from './probe.js'
import type { Recipe, RecipeProbe } from './recipe.js'
import { runIdentity } from './run-identity.js'
import { scheduleFactor } from './schedule.js'
import { type StartingPoint, startingPoint } from './starting-point.js'
import { lastLoss, loadState, type RunState, type StepMetrics, saveState, trimMetrics } from './state.js'
import type { Tiling } from './tiled-images.js'
import { towerProbe } from './tower-probe.js'
import { TrainingGraph } from './training-graph.js'

/** What a progress line needs. */
export interface Progress {
  readonly step: number
  readonly steps: number
  /** Mean of the last steps. */
  readonly loss: number
  readonly samplesPerSecond: number
  readonly secondsLeft: number
}

/** How a run is driven. */
export interface TrainOptions {
  /** Continue from the run's state where there is one; false begins anew. */
  readonly resume: boolean
  /** As `skip_bad` of the recipe: go on without records whose images cannot be used. */
  readonly skipBad?: boolean
  readonly onProgress?: (progress: Progress) => void
  /** Asks the questions of the recipe's probe of a model directory; without it the vision tower alone is asked. */
  readonly probe?: (dir: string, questions: readonly Question[]) => Promise<readonly Answered[]>
  readonly onNotice?: (line: string) => void
  readonly signal?: AbortSignal
  /** The processes that train together, each with a call of its own; default: this one alone. */
  readonly communicator?: Communicator
}

/** What a finished run leaves. */
export interface TrainResult {
  readonly steps: number
  readonly finalLoss: number
  /** The model directory. */
  readonly out: string
}

/**
 * Trains by the recipe and writes the model directory `recipe.out`.
 * @throws InputError for data or a state that does not fit the recipe, XComposerError when the loss stays not finite
 */
export async function train(recipe: Recipe, options: TrainOptions): Promise<TrainResult> {
  const start = startingPoint(recipe)
  for (const line of start.notices) options.onNotice?.(line)
  const tokenizer = Tokenizer.load(start.tokenizer)
  if (tokenizer.size > start.config.decoder.vocabularySize) {
    throw new InputError(
      `${start.tokenizer}: ${tokenizer.size} pieces, but the model's vocab_size is ${start.config.decoder.vocabularySize}`,
    )
  }
  const dataset = await openDataset({
    sources: recipe.data,
    tokenizer,
    imageSize: start.config.vision?.imageSize ?? 0,
    imageTokens: imageTokens(start.config),
    patches: start.config.vision?.patches ?? 0,
    labelRecords: recipe.stage === 'vision' || recipe.stage === 'align',
    drawThreads: recipe.drawThreads,
    ...(start.config.vision?.tiled ? { tiling: tilingOf(recipe, start.config) } : {}),
    batchSize: recipe.batchSize,
    maxLength: recipe.maxLength,
    seed: recipe.seed,
    ...(recipe.textShare === undefined ? {} : { textShare: recipe.textShare }),
    window: recipe.sortWindow,
    skipBad: recipe.skipBad === true || options.skipBad === true,
    ...(options.onNotice ? { onNotice: options.onNotice } : {}),
    ...(options.signal ? { signal: options.signal } : {}),
  })
  try {
    checkTargets(dataset, recipe.maxLength, options.onNotice)
    return await trainOn(dataset, tokenizer, start, recipe, options)
  } finally {
    await dataset.dispose()
  }
}

/** Objective, graph and optimiser over opened data, from the newest state to the written model. */
async function trainOn(
  dataset: Dataset,
  tokenizer: Tokenizer,
  start: StartingPoint,
  recipe: Recipe,
  options: TrainOptions,
): Promise<TrainResult> {
  const { labels } = dataset
  const { config, initial } = start
  const objective = createObjective(recipe.stage, { config, initial, tokenizer, labels, labelWeight: recipe.labelLoss })
  const specs = [...start.specs, ...objective.parameters]
  const own = new Set(objective.parameters.map(({ name }) => name))
  const before = recipe.visionFrom ?? ('from' in recipe.start ? recipe.start.from : undefined)
  const width = config.vision?.hiddenSize ?? 0
  const heads = before ? readLabelHeads(before, labels, width) : []
  for (const [name, values] of heads) if (own.has(name)) initial.set(name, values)
  for (const [name, values] of objective.initial) initial.set(name, values)
  const { rank, size } = options.communicator ?? alone
  const batchAt = prefetch({ batchAt: (index) => dataset.batchAt(index * size + rank) })
  fillFresh(initial, specs, recipe.seed, recipe.ploraInit)
  const graph = new TrainingGraph(config, specs, initial, (s) => isTrainable(config, s, recipe), objective, {
    threads: recipe.threads,
    // Batches differ in length and targets: a kept plan for each combination would only pile up memory.
    memoryPattern: false,
  })
  const { parameters, pool } = graph
  const rates = tensorRates(config, specs, recipeRates(recipe))
  const optimizer = createOptimizer(recipe.optimizer, recipe, { parameters, specs, rates, pool })
  try {
    const result = await new Run(recipe, start, graph, objective, optimizer, batchAt, labels, options).finish()
    const values = new Map(parameters.tensors.map((t) => [t.name, parameters.view(parameters.weights, t)]))
    if (rank === 0) writeLabelHeads(recipe.out, labels, width, values, before)
    return result
  } finally {
    optimizer.dispose()
    graph.dispose()
  }
}

/** How images are cut for a tiled model. @throws InputError for a stage that looks at whole images */
function tilingOf(recipe: Recipe, config: ModelConfig): Tiling {
  if (recipe.stage === 'vision' || recipe.stage === 'align') {
    throw new InputError(`${recipe.file}: stage ${recipe.stage}: images of this model are tiled (hd); use pretrain or sft`)
  }
  return { maxTiles: recipe.maxTiles, tokens: (grid) => imageTokens(config, grid) }
}

/** One run from its state to its last step. */
class Run {
  private readonly states: string
  private readonly metrics: string
  private readonly probes: string
  private questions: readonly Question[] | undefined
  private readonly state: RunState
  private readonly processes: Communicator
  /** Whether this process writes files. */
  private readonly writes: boolean
  private readonly recent: { loss: number; seconds: number; samples: number }[] = []
  private notFinite = 0
  /** Gradients of the micro-batches so far. */
  private readonly sum: Float32Array | undefined

  constructor(
    private readonly recipe: Recipe,
    private readonly start: StartingPoint,
    private readonly graph: TrainingGraph,
    private readonly objective: Objective,
    private readonly optimizer: Optimizer,
    private readonly batchAt: (index: number) => Promise<Batch>,
    private readonly labels: LabelTexts,
    private readonly options: TrainOptions,
  ) {
    this.processes = options.communicator ?? alone
    this.writes = this.processes.rank === 0
    this.states = join(recipe.out, 'state')
    this.sum = recipe.accumulate > 1 ? new Float32Array(graph.parameters.gradients.length) : undefined
    this.metrics = join(recipe.out, 'metrics.jsonl')
    this.probes = join(recipe.out, 'probes.jsonl')
    this.state = { parameters: graph.parameters, optimizer, identity: runIdentity(recipe) }
  }

  /** Only one run at a time may write into `out`; rank 0 holds the lock for all. */
  async finish(): Promise<TrainResult> {
    const { recipe, options, writes } = this
    if (writes) makeFolders(recipe.out, `${recipe.file}: out`)
    const unlock = writes ? lockDirectory(recipe.out) : undefined
    try {
      if (writes && !options.resume) {
        rmSync(this.states, { recursive: true, force: true })
        rmSync(this.metrics, { force: true })
        rmSync(this.probes, { force: true })
      }
      await this.processes.barrier()
      await this.steps()
      await this.objective.afterTraining?.(this.graph, await this.batchAt(0))
      if (writes) this.writeModel()
      await this.processes.barrier()
    } finally {
      unlock?.()
    }
    return { steps: recipe.steps, finalLoss: this.recent.at(-1)?.loss ?? lastLoss(this.metrics), out: recipe.out }
  }

  /** From the newest state to the last step. */
  private async steps(): Promise<void> {
    const { recipe, options } = this
    const first = loadState(this.states, this.state)
    let step = first
    // Nobody goes on before all have read the state.
    await this.processes.barrier()
    if (this.writes) for (const file of [this.metrics, this.probes]) trimMetrics(file, step)
    if (step > 0) options.onNotice?.(`continuing after step ${step}`)
    for (; step < recipe.steps; step++) {
      // What was learned since the last checkpoint is kept: calling again goes on here.
      if (options.signal?.aborted && step > first) this.save(step)
      options.signal?.throwIfAborted()
      const began = performance.now()
      const { loss, targets, samples } = await this.forwardBackward(step)
      const schedule = scheduleFactor(step + 1, recipe.warmupSteps, recipe.steps + 1)
      const usable = targets > 0 && Number.isFinite(loss)
      const gradientNorm = usable ? await this.optimizer.step({ step: step + 1, schedule, targets }) : Number.NaN
      this.checkStep(step + 1, targets, loss, gradientNorm)
      const seconds = (performance.now() - began) / 1000
      this.note(
        {
          step: step + 1,
          loss,
          targets,
          gradientNorm,
          learningRate: recipe.learningRate * schedule,
          samplesPerSecond: samples / seconds,
          seconds,
        },
        samples,
      )
      const { probe } = recipe
      if (probe && ((step + 1) % probe.every === 0 || step + 1 === recipe.steps)) await this.probe(step + 1, probe)
      if ((step + 1) % recipe.checkpointEvery === 0 || step + 1 === recipe.steps) {
        this.save(step + 1)
      }
    }
  }

  /** Training goes on as if it had not been. */
  private async probe(step: number, probe: RecipeProbe): Promise<void> {
    if (!this.writes) return
    this.questions ??= probeQuestions(probe)
    const { recipe, start, graph, labels, questions } = this
    const heads = graph.parameters.tensors.some(({ name }) => name === labelHeads.names)
    const tower = heads ? await towerProbe(graph, labels.names, questions, start.config.vision?.imageSize ?? 0) : undefined
    // Before a decoder reads them, images say nothing to it.
    const reads = recipe.stage !== 'vision' && recipe.stage !== 'align'
    const model = reads ? await this.askModel(questions) : undefined
    const samples = step * recipe.batchSize * recipe.accumulate
    const line = noteProbe(this.probes, { step, samples }, { model, tower })
    this.options.onNotice?.(line)
  }

  /** The model as it is, written for the time in which it is asked. */
  private async askModel(questions: readonly Question[]): Promise<readonly Answered[] | undefined> {
    const ask = this.options.probe
    if (!ask) return undefined
    const dir = join(this.recipe.out, 'probe')
    makeFolders(dir, `${this.recipe.file}: out`)
    try {
      this.writeModel(dir)
      return await ask(dir, questions)
    } finally {
      rmSync(dir, { recursive: true, force: true })
    }
  }

  private save(step: number): void {
    if (this.writes) saveState(this.states, this.state, step, this.recipe.keep)
  }

  /**
   * The micro-batches of a step in all processes: gradients summed over them, the mean loss of all their targets (NaN when there are
   * none). Batches are numbered by step, then micro-batch, then rank, so that any split of a step sees the same samples.
   */
  private async forwardBackward(step: number): Promise<{ loss: number; targets: number; samples: number }> {
    const { recipe, graph, processes } = this
    const { gradients } = graph.parameters
    let [loss, targets, samples] = [0, 0, 0]
    this.sum?.fill(0)
    for (let micro = 0; micro < recipe.accumulate; micro++) {
      const batch = await this.batchAt(step * recipe.accumulate + micro)
      const result = await graph.step(batch)
      loss += result.loss
      targets += result.targets
      samples += batch.rows
      if (result.targets > 0 && this.sum) addTo(this.sum, gradients)
    }
    if (this.sum) gradients.set(this.sum)
    else if (targets === 0) gradients.fill(0)
    const totals = Float32Array.of(loss, targets, samples)
    if (processes.size > 1) {
      await processes.sum(gradients)
      await processes.sum(totals)
      ;[loss, targets, samples] = totals as unknown as [number, number, number]
    }
    return { loss: loss / targets, targets, samples }
  }

  private checkStep(step: number, targets: number, loss: number, norm: number): void {
    if (targets === 0) {
      this.options.onNotice?.(`step ${step}: no record in it has anything to learn within max_length; the weights are unchanged`)
      return
    }
    this.notFinite = Number.isFinite(loss) && Number.isFinite(norm) ? 0 : this.notFinite + 1
    if (this.notFinite > 0)
      this.options.onNotice?.(`step ${step}: loss ${loss}, gradient norm ${norm}; the weights are unchanged`)
    if (this.notFinite >= 10) {
      throw new XComposerError(
        `${this.recipe.file}: ten steps in a row without a finite loss; lower learning_rate or check the data`,
      )
    }
  }

  private note(metrics: StepMetrics, samples: number): void {
    if (this.writes) appendFileSync(this.metrics, `${JSON.stringify(metrics)}\n`)
    this.recent.push({ loss: metrics.loss, seconds: metrics.seconds, samples })
    if (this.recent.length > 50) this.recent.shift()
    const total = (pick: (r: { loss: number; seconds: number; samples: number }) => number) =>
      this.recent.reduce((a, r) => a + pick(r), 0)
    const learned = this.recent.filter((r) => Number.isFinite(r.loss))
    const time = total((r) => r.seconds)
    this.options.onProgress?.({
      step: metrics.step,
      steps: this.recipe.steps,
      loss: learned.reduce((a, r) => a + r.loss, 0) / learned.length,
      samplesPerSecond: total((r) => r.samples) / time,
      secondsLeft: ((this.recipe.steps - metrics.step) * time) / this.recent.length,
    })
  }

  /** A model directory: trained and frozen tensors in checkpoint order, configuration, tokenizer. */
  private writeModel(dir = this.recipe.out): void {
    const { recipe, graph, start } = this
    const trained = new Map(graph.parameters.tensors.map((t) => [t.name, t]))
    const dtype = recipe.dtype === 'f16' ? 'F16' : 'F32'
    const tensors = start.specs.map((s) => {
      const t = trained.get(s.name)
      const data = t ? graph.parameters.view(graph.parameters.weights, t) : (start.initial.get(s.name) as Float32Array)
      return { name: s.name, dtype, shape: s.shape, data } as const
    })
    writeSafetensors(join(dir, 'model.safetensors'), tensors, { format: 'pt' })
    writeTextAtomically(join(dir, 'config.json'), `${JSON.stringify(start.configJson, null, 2)}\n`)
    const tokenizer = readFileSync(start.tokenizer)
    writeFileAtomically(join(dir, 'tokenizer.model'), (fd) => writeAll(fd, tokenizer))
  }
}

function recipeRates(recipe: Recipe) {
  return {
    weightDecay: recipe.weightDecay,
    visionLayerDecay: recipe.vitLayerDecay,
    decoderFactor: recipe.decoderLrFactor,
    visionFactor: recipe.visionLrFactor,
    projectorFactor: recipe.projectorLrFactor,
  }
}

function addTo(sum: Float32Array, part: Float32Array): void {
  for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + (part[i] as number)
}
