/**
 * `bench -- train`: tokens a second of one SFT step (forward, backward, clipping, AdamW; every tensor trains) against the
 * same model in PyTorch, interleaved. Both start from the same weights and batch, and nothing is reported unless their
 * first losses agree: a faster wrong step is no result. Behind that the same step with Muon, beside ours with AdamW: the optimiser of the
 * recipes, which the peer does not have.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { XComposerError } from '../src/common/errors.js'
import { AdamW, Muon, type Optimizer, type TensorRates } from '../src/engine/index.js'
import { tensorRates } from '../src/train/groups.js'
import { nextToken } from '../src/train/objectives/next-token.js'
import { hiddenMatrices } from '../src/train/optimizers.js'
import { TrainingGraph } from '../src/train/training-graph.js'
import { type BenchContext, type Benchmark, type BenchResult, type PeerContext, PYTHON_HELP, pythonOption } from './benchmark.js'
import { productRate, stepFlops } from './limit.js'
import { Peer } from './peer-process.js'
import { digits, interleave, median, spread, summarise } from './samples.js'
import { optimiser, type TrainInputs, trainInputs, writeInputs } from './train-inputs.js'

/** What it is told. */
type Told = BenchContext & PeerContext & { readonly config: string }

/** Optimiser steps of one timed run. */
const STEPS = 4
/** Steps before the first timed one: the engine plans its memory in the first two. */
const WARM_UP = 3
const LOSS_TOLERANCE = 1e-3

const ready = z.object({ torch: z.string(), adamw: z.string() })
const answer = z.object({ seconds: z.number().positive(), losses: z.array(z.number()).min(1) })

interface Run {
  readonly seconds: number
  readonly losses: readonly number[]
}

/** Our side: a graph and its optimiser. */
class Ours {
  private readonly graph: TrainingGraph
  private readonly optimizer: Optimizer
  private step = 0

  constructor(
    private readonly inputs: TrainInputs,
    rates: ReadonlyMap<string, TensorRates>,
    threads: number,
    muon = false,
  ) {
    this.graph = new TrainingGraph(inputs.config, inputs.specs, inputs.weights, () => true, nextToken(), { threads })
    const { parameters, pool } = this.graph
    const adamw = { learningRate: optimiser.rate, ...optimiser }
    const { weightDecay } = optimiser
    this.optimizer = muon
      ? new Muon(
          parameters,
          rates,
          hiddenMatrices(inputs.specs),
          { learningRate: optimiser.rate, momentum: 0.95, weightDecay, adamw },
          { pool, threads },
        )
      : new AdamW(parameters, rates, adamw, { pool })
  }

  async run(steps: number): Promise<Run> {
    const losses: number[] = []
    const start = performance.now()
    for (let i = 0; i < steps; i++) {
      const { loss, targets } = await this.graph.step(this.inputs.batch)
      losses.push(loss / targets)
      await this.optimizer.step({ step: ++this.step, schedule: 1, targets })
    }
    return { seconds: (performance.now() - start) / 1000, losses }
  }

  dispose(): void {
    this.optimizer.dispose()
    this.graph.dispose()
  }
}

function checkLosses(what: string, ours: number | undefined, peer: number | undefined, print: (line: string) => void): void {
  const error = Math.abs((ours ?? Number.NaN) - (peer ?? Number.NaN))
  print(`loss of the ${what} step: ours ${ours?.toFixed(6)}, peer ${peer?.toFixed(6)}`)
  if (error <= LOSS_TOLERANCE) return
  throw new XComposerError(
    `train: the loss of the ${what} step differs by ${error}, more than ${LOSS_TOLERANCE}; no speed is reported`,
  )
}

/** Tokens a second with Muon in turn with ours with AdamW, and how many times as long a step takes; disposes `muon`. */
async function benchMuon(adamw: Ours, muon: Ours, runs: number, rate: (side: string, r: Run) => number) {
  try {
    await muon.run(WARM_UP)
    const { a, b } = await interleave(
      runs,
      async () => rate('AdamW', await adamw.run(STEPS)),
      async () => rate('Muon', await muon.run(STEPS)),
    )
    const costs = a.map((tokens, i) => tokens / (b[i] as number))
    return { tokensPerSecond: digits(median(b)), cost: digits(median(costs)), samples: b.map(digits) }
  } finally {
    muon.dispose()
  }
}

/** Measures and reports tokens a second (rows x length / time). */
async function benchTrain(o: Told): Promise<BenchResult> {
  const inputs = trainInputs(o.config)
  const rates = tensorRates(inputs.config, inputs.specs, {
    weightDecay: optimiser.weightDecay,
    visionLayerDecay: 0.9,
    decoderFactor: 0.2,
    visionFactor: 1,
    projectorFactor: 1,
  })
  const tokens = inputs.batch.rows * inputs.batch.length
  const parameters = inputs.specs.reduce((n, s) => n + s.shape.reduce((a, b) => a * b, 1), 0)
  o.print(
    `train: ${(parameters / 1e6).toFixed(2)} M parameters, ${inputs.batch.rows} x ${inputs.batch.length} tokens, ${o.threads} threads`,
  )
  const temporary = mkdtempSync(join(tmpdir(), 'xcomposer-bench-'))
  const ours = new Ours(inputs, rates, o.threads)
  let peer: Peer | undefined
  try {
    let about: z.infer<typeof ready> | null = null
    if (o.python) {
      const file = writeInputs(temporary, inputs, rates)
      peer = Peer.start(o.python, 'train.py', [o.config, file, String(o.threads)], o.threads)
      about = await peer.answer(ready)
      o.print(`peer: PyTorch ${about.torch}, AdamW ${about.adamw}`)
    }
    const first = await ours.run(WARM_UP)
    if (peer) {
      const theirs = await peer.ask(`run ${WARM_UP}`, answer)
      checkLosses('first', first.losses[0], theirs.losses[0], o.print)
      checkLosses('last warm-up', first.losses.at(-1), theirs.losses.at(-1), o.print)
    }
    const rate = (side: string, r: Run) => {
      const value = (STEPS * tokens) / r.seconds
      o.print(`${side} ${value.toFixed(0)} tokens/s (loss ${r.losses.at(-1)?.toFixed(4)})`)
      return value
    }
    const python = peer
    const samples = await interleave(
      o.runs,
      async () => rate('ours', await ours.run(STEPS)),
      python && (async () => rate('peer', await python.ask(`run ${STEPS}`, answer))),
    )
    const report = summarise('train', samples.a, samples.b)
    const muon = await benchMuon(ours, new Ours(inputs, rates, o.threads, true), o.runs, rate)
    const flops = stepFlops(inputs)
    const machineGflops = await productRate(o.threads)
    const limit = (machineGflops * 1e9 * tokens) / flops
    const share = median(samples.a) / limit
    o.print(
      `limit: ${limit.toFixed(0)} tokens/s (reached: ${(100 * share).toFixed(0)} %), were a step nothing but its products at ${machineGflops.toFixed(0)} GFLOP/s`,
    )
    return {
      report,
      detail: {
        unit: 'tokens/s',
        muon,
        limit: {
          tokensPerSecond: digits(limit),
          share: digits(share),
          machineGflops: digits(machineGflops),
          stepGflop: digits(flops / 1e9),
        },
        parameters,
        batch: { rows: inputs.batch.rows, length: inputs.batch.length, images: inputs.batch.images, stepsPerRun: STEPS },
        peerDetail: about && { ...about, spread: digits(spread(samples.b)) },
        samples: { ours: samples.a.map(digits), peer: samples.b.map(digits) },
      },
    }
  } finally {
    peer?.dispose()
    ours.dispose()
    rmSync(temporary, { recursive: true, force: true })
  }
}

/** `bench -- train`. */
export const trainBenchmark: Benchmark = {
  summary: 'one step of fine-tuning, against PyTorch',
  options: { ...pythonOption, config: { type: 'string' } },
  help: `${PYTHON_HELP}
      --config FILE      shape of the model (default recipes/nano/config.json)`,
  programs: ['python'],
  run: (args, context) =>
    benchTrain({ ...context, python: args.text('python'), config: args.text('config') ?? 'recipes/nano/config.json' }),
}
