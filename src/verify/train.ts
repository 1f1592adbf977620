/** goldens/train: loss, gradients and three AdamW steps of both training stages (SPEC 4 loss, 11.1, 11.4b). */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { AdamW, type FlatParameters, type FlatTensor } from '../engine/index.js'
import { openModel, readParameter } from '../model/open-checkpoint.js'
import type { ParameterSpec } from '../model/parameter-spec.js'
import type { TrainingBatch } from '../train/batch.js'
import { tensorRates } from '../train/groups.js'
import { nextToken } from '../train/objectives/next-token.js'
import { TrainingGraph } from '../train/training-graph.js'
import type { CaseResult, GoldenCheck } from './check.js'
import { difference, type GoldenTensors, goldenTensors } from './compare.js'

interface Stage {
  readonly hyper: { weight_decay: number; betas: [number, number]; eps: number; max_grad_norm: number }
  readonly losses: number[]
  readonly grad_norms_before_clip: number[]
  readonly lrs: number[]
  readonly tensors: Record<string, { lr_scale: number; weight_decay: number; grad_abs_max: number; max_update: number }>
  readonly noisy_after3: string[]
}

const json = <T>(file: string) => JSON.parse(readFileSync(file, 'utf8')) as T

const trains: Record<string, (s: ParameterSpec) => boolean> = { pretrain: (s) => s.part !== 'decoder', sft: () => true }

function readBatch(file: string, padId: number): TrainingBatch {
  const b = goldenTensors(file)
  const [rows, length] = b.shape('token_ids') as [number, number]
  const mask = b.integers('im_mask')
  const ids = b.integers('token_ids').map((id) => (id < 0 ? padId : id))
  const imagePositions = Int32Array.from([...mask.keys()].filter((i) => mask[i]))
  const images = b.shape('pixel_values')[0] as number
  return { rows, length, ids, labels: b.integers('labels'), imagePositions, pixels: b.floats('pixel_values'), images }
}

function* stepCase(name: string, got: number, wanted: number, tolerance: number): Generator<CaseResult> {
  const largestError = Math.abs(got - wanted)
  yield { name, passed: largestError <= tolerance * Math.abs(wanted), largestError, detail: `${got} against ${wanted}` }
}

function* compareTensors(
  name: string,
  p: FlatParameters,
  flat: Float32Array,
  golden: GoldenTensors,
  check: (t: FlatTensor, got: Float32Array, wanted: Float32Array) => { error: number; passed: boolean },
): Generator<CaseResult> {
  let largestError = 0
  const failed: string[] = []
  for (const t of p.tensors) {
    const r = check(t, p.view(flat, t), golden.floats(t.name))
    largestError = Math.max(largestError, r.error)
    if (!r.passed) failed.push(t.name)
  }
  yield {
    name,
    passed: failed.length === 0 && p.tensors.length > 0,
    largestError,
    detail: failed.length ? `differ: ${failed.join(' ')}` : `${p.tensors.length} tensors`,
  }
}

async function* checkStage(dir: string, name: string): AsyncGenerator<CaseResult> {
  const stage = json<Stage>(join(dir, `${name}.json`))
  const model = openModel(join(dir, 'checkpoint'))
  const batch = readBatch(join(dir, 'batch.safetensors'), model.config.decoder.padId)
  const initial = new Map(model.specs.map((s) => [s.name, readParameter(model, s.name)]))
  const graph = new TrainingGraph(model.config, model.specs, initial, trains[name] as (s: ParameterSpec) => boolean, nextToken())
  try {
    const p = graph.parameters
    const rates = tensorRates(model.config, model.specs, {
      weightDecay: stage.hyper.weight_decay,
      visionLayerDecay: 0.9,
      decoderFactor: name === 'sft' ? 0.2 : 1,
      visionFactor: 1,
      projectorFactor: 1,
    })
    const wrong = p.tensors.filter(({ name: n }) => {
      const [mine, wanted] = [rates.get(n), stage.tensors[n]]
      return !mine || !wanted || Math.abs(mine.lrScale - wanted.lr_scale) > 1e-9 || mine.weightDecay !== wanted.weight_decay
    })
    const same = wrong.length === 0 && p.tensors.length === Object.keys(stage.tensors).length
    yield {
      name: `${name}: rates and decay`,
      passed: same,
      detail: wrong.map((t) => t.name).join(' ') || `${p.tensors.length} tensors`,
    }
    const { betas, eps, max_grad_norm } = stage.hyper
    const adamw = new AdamW(p, rates, { learningRate: 1, betas, epsilon: eps, maxNorm: max_grad_norm })
    for (let step = 0; step < stage.losses.length; step++) {
      const { loss, targets } = await graph.step(batch)
      yield* stepCase(`${name}: loss ${step + 1}`, loss / targets, stage.losses[step] as number, 1e-5)
      if (step === 0) {
        const golden = goldenTensors(join(dir, `${name}_grads_step1.safetensors`))
        const mean = p.gradients.map((g) => g / targets)
        yield* compareTensors(`${name}: gradients`, p, mean, golden, (t, got, wanted) => {
          const tolerance = 1e-5 + 1e-3 * (stage.tensors[t.name]?.grad_abs_max ?? 0)
          const d = difference(got, wanted, tolerance, 0)
          return { error: d.largest, passed: d.ratio <= 1 }
        })
      }
      const norm = await adamw.step({ step: step + 1, schedule: stage.lrs[step] as number, targets })
      yield* stepCase(`${name}: gradient norm ${step + 1}`, norm, stage.grad_norms_before_clip[step] as number, 1e-3)
    }
    const golden = goldenTensors(join(dir, `${name}_params_after3.safetensors`))
    const rateSum = stage.lrs.reduce((a, b) => a + b, 0)
    yield* compareTensors(`${name}: parameters after ${stage.losses.length} steps`, p, p.weights, golden, (t, got, wanted) => {
      const info = stage.tensors[t.name]
      if (!info) return { error: Number.POSITIVE_INFINITY, passed: false }
      if (!stage.noisy_after3.includes(t.name)) {
        const d = difference(got, wanted, 0.05 * info.max_update + 1e-9, 0)
        return { error: d.largest, passed: d.ratio <= 1 }
      }
      // Some of these gradients are mathematically zero: only the size of the movement is defined.
      const start = initial.get(t.name) as Float32Array
      const most = Math.max(...start.map(Math.abs), 1)
      const d = difference(got, start, 1.01 * rateSum * info.lr_scale * (1 + info.weight_decay * most), 0)
      return { error: d.largest, passed: d.ratio <= 1 }
    })
  } finally {
    graph.dispose()
  }
}

/** Two stages, each: rates, losses, gradients, parameters. */
export const check: GoldenCheck = {
  folder: 'train',
  async *run(dir) {
    for (const name of ['pretrain', 'sft']) yield* checkStage(dir, name)
  },
}
