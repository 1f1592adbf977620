/**
 * `bench -- plora`: what PLoRA costs a prompt: a pass over 512 rows of a picture beside a pass over 512 ids, interleaved, and the share of
 * the products that PLoRA adds. A text pays nothing: its graph holds no part of PLoRA (src/inference/inference.test.ts has the proof to the bit).
 */
import { InputError } from '../src/common/errors.js'
import { XComposer } from '../src/inference/xcomposer.js'
import type { ModelConfig } from '../src/model/config.js'
import { type Benchmark, type BenchResult, MODEL_HELP, type ModelContext, modelOf, modelOption } from './benchmark.js'
import { promptIds } from './decode-inputs.js'
import { factsLine, modelFacts } from './model-facts.js'
import { digits, interleave, median, summarise } from './samples.js'

const POSITIONS = 512

/** Reports milliseconds with PLoRA, and as the peer without. */
async function benchPlora(o: ModelContext): Promise<BenchResult> {
  const facts = modelFacts(o.model)
  const model = await XComposer.load(o.model, { threads: o.threads })
  try {
    const { maxLength, decoder } = model.config
    if (maxLength < POSITIONS) throw new InputError(`${o.model}: a context of ${maxLength} is shorter than ${POSITIONS}`)
    o.print(`plora: ${factsLine(facts)}`)
    const rows = model.decoder.store.embed(promptIds(decoder.vocabularySize, POSITIONS))
    const columns = Array.from({ length: POSITIONS }, (_, i) => i)
    const pass = async (image: readonly number[]): Promise<number> => {
      const sequence = model.decoder.sequence()
      const began = performance.now()
      await sequence.appendRows(rows, POSITIONS, image)
      const ms = performance.now() - began
      sequence.dispose()
      return ms
    }
    for (const image of [[], columns]) await pass(image)
    const samples = await interleave(
      o.runs,
      () => pass(columns),
      () => pass([]),
    )
    // Neighbours in time are compared: the machine's speed drifts over minutes.
    const overhead = median(samples.a.map((ms, i) => ms / (samples.b[i] as number))) - 1
    const share = addedShare(model.config)
    o.print(
      `a picture's rows take ${(100 * overhead).toFixed(1)} % longer; PLoRA adds ${(100 * share).toFixed(1)} % to the products`,
    )
    return {
      report: summarise('plora', samples.a, samples.b, 'less'),
      detail: {
        unit: `ms for ${POSITIONS} positions; the peer is the same pass without PLoRA`,
        model: o.modelName,
        ...facts,
        overhead: digits(overhead),
        addedProducts: digits(share),
        samples: { ours: samples.a.map(digits), peer: samples.b.map(digits) },
      },
    }
  } finally {
    model.dispose()
  }
}

/** Multiply-adds of PLoRA beside those of the decoder's layers and attention, for one position of such a prompt. */
function addedShare({ decoder: c }: ModelConfig): number {
  const { hiddenSize: h, intermediateSize: f } = c
  const qkv = (c.heads + 2 * c.kvHeads) * c.headDim
  const layers = h * qkv + h * h + 3 * h * f + POSITIONS * h
  const { adapter } = c
  if (adapter.type !== 'plora') return 0
  const added = adapter.wqkv.rank * (h + qkv) + adapter.others.rank * (2 * h + 3 * (h + f))
  return added / layers
}

/** `bench -- plora`. */
export const ploraBenchmark: Benchmark = {
  summary: 'what PLoRA costs a prompt',
  options: { ...modelOption },
  help: MODEL_HELP,
  run: (args, context) => benchPlora({ ...context, ...modelOf(args) }),
}
