/**
 * `bench -- profile`: where the time of one question about one picture goes. Each part is called by itself, as the library calls it,
 * except that tower and projector, which the library runs as one graph, have a graph each here. The whole is measured too, so that
 * one sees whether the parts add up. Writes the figures, and a picture of them.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { InputError } from '../src/common/errors.js'
import { fullAttention, Graph, Session, Value } from '../src/engine/index.js'
import { generate } from '../src/generate/generate.js'
import { decodeImage } from '../src/image/decode.js'
import { preprocess } from '../src/image/preprocess.js'
import { XComposer } from '../src/inference/xcomposer.js'
import type { VisionConfig } from '../src/model/config.js'
import { imageTokens, projectFeatures } from '../src/model/image-rows.js'
import { gatheredConvolution, visionTower } from '../src/model/vision/tower.js'
import { type Benchmark, type BenchResult, MODEL_HELP, type ModelContext, modelOf, modelOption } from './benchmark.js'
import { writePicture } from './decode-inputs.js'
import { flatPrompt } from './image-inputs.js'
import { factsLine, modelFacts } from './model-facts.js'
import { duration, type Part, profileSvg } from './profile-svg.js'
import { askPicture, questionParts } from './question.js'
import { digits, median, summarise } from './samples.js'

/** Tokens of the answer. */
const NEW_TOKENS = 32

const parts = {
  decodePicture: 'picture decoded',
  resize: 'resized, normalised',
  tower: 'vision tower',
  projector: 'projector',
  prefill: 'prompt through the decoder (prefill)',
  answer: `answer, ${NEW_TOKENS} tokens`,
} as const
type Times = Readonly<Record<keyof typeof parts, number>>

/** Tower and projector as graphs of their own, on the model's weights; `dispose` before the model. */
class VisionParts {
  readonly tower: Session
  readonly projector: Session

  constructor(
    private readonly model: XComposer,
    private readonly vision: VisionConfig,
  ) {
    const { store, sessionOptions } = model.decoder
    const w = store.weights()
    const { imageSize, hiddenSize, patches } = vision
    const t = new Graph('tower')
    const pixels = t.input('pixels', 'f32', [1, 3, imageSize, imageSize])
    t.output('rows', visionTower(t, w, vision, pixels, { attend: fullAttention, convolve: gatheredConvolution }))
    this.tower = new Session(t, store.valuesFor(t), sessionOptions)
    const p = new Graph('projector')
    const features = p.input('features', 'f32', [1, patches, hiddenSize])
    p.output('rows', projectFeatures(p, w, model.config, features, { attend: fullAttention }))
    this.projector = new Session(p, store.valuesFor(p), sessionOptions)
  }

  runTower(pixels: Float32Array): Promise<Float32Array> {
    const { imageSize: s, patches, hiddenSize } = this.vision
    return run(this.tower, 'pixels', Value.of('f32', [1, 3, s, s], pixels), [1, patches, hiddenSize])
  }

  runProjector(features: Float32Array): Promise<Float32Array> {
    const { patches, hiddenSize } = this.vision
    const rows = [1, imageTokens(this.model.config), this.model.config.decoder.hiddenSize]
    return run(this.projector, 'features', Value.of('f32', [1, patches, hiddenSize], features), rows)
  }

  dispose(): void {
    this.tower.dispose()
    this.projector.dispose()
  }
}

async function run(session: Session, name: string, input: Value<'f32'>, shape: readonly number[]): Promise<Float32Array> {
  const rows = Value.zeros('f32', shape)
  try {
    await session.run({ inputs: { [name]: input }, outputs: { rows } })
    return rows.data
  } finally {
    input.dispose()
    rows.dispose()
  }
}

/** One question in parts, in the order in which they happen. */
async function question(model: XComposer, seen: VisionParts, file: string, size: number): Promise<Times> {
  let at = performance.now()
  const lap = (): number => {
    const from = at
    at = performance.now()
    return at - from
  }
  const image = await decodeImage(file)
  const decodePicture = lap()
  const pixels = preprocess(image, size)
  const resize = lap()
  const features = await seen.runTower(pixels)
  const tower = lap()
  const rows = await seen.runProjector(features)
  const projected = lap()
  const { logits, sequence } = await model.prefill(questionParts(model), [rows])
  const prefill = lap()
  try {
    for await (const _ of generate(logits, sequence, { maxNewTokens: NEW_TOKENS }));
    return { decodePicture, resize, tower, projector: projected, prefill, answer: lap() }
  } finally {
    sequence.dispose()
  }
}

/** Reports milliseconds of one question and its answer, the medians of its parts added up. */
async function benchProfile(o: ModelContext): Promise<BenchResult> {
  const facts = modelFacts(o.model)
  const temporary = mkdtempSync(join(tmpdir(), 'xcomposer-bench-'))
  const model = await XComposer.load(o.model, { threads: o.threads })
  let seen: VisionParts | undefined
  try {
    const { vision } = model.config
    if (!vision || vision.tiled) throw new InputError(`${o.model}: the profile needs a model that sees a picture as one square`)
    seen = new VisionParts(model, vision)
    const samples: Times[] = []
    const whole: number[] = []
    // The first question of each kind plans memory and does not count.
    for (let run = 0; run <= o.runs; run++) {
      const times = await question(model, seen, await writePicture(temporary, 2 * run), vision.imageSize)
      const { firstMs, decodeMs } = await askPicture(model, await writePicture(temporary, 2 * run + 1), NEW_TOKENS)
      if (run === 0) continue
      samples.push(times)
      whole.push(firstMs + decodeMs)
      o.print(`one question: ${duration(sum(times))} in parts, ${duration(firstMs + decodeMs)} as a whole`)
    }
    const names = Object.keys(parts) as (keyof Times)[]
    const medians = names.map((name): Part => ({ name: parts[name], ms: median(samples.map((s) => s[name])) }))
    const total = medians.reduce((n, { ms }) => n + ms, 0)
    const answerMs = median(samples.map((s) => s.answer))
    for (const { name, ms } of medians) o.print(`${name}: ${duration(ms)}, ${((100 * ms) / total).toFixed(1)} %`)
    const promptTokens = flatPrompt(questionParts(model), 0).ids.length
    const subtitle = `${factsLine(facts)}, ${o.threads} threads: ${promptTokens} positions, first token after ${duration(total - answerMs)}`
    return {
      report: summarise('profile', samples.map(sum), [], 'less'),
      detail: {
        unit: 'ms of one question about one picture with its answer',
        model: o.modelName,
        ...facts,
        promptTokens,
        newTokens: NEW_TOKENS,
        parts: Object.fromEntries(names.map((name, i) => [name, digits(medians[i]?.ms ?? 0)])),
        perTokenMs: digits(answerMs / (NEW_TOKENS - 1)),
        sumOfPartsMs: digits(total),
        wholeMs: digits(median(whole)),
        samples: samples.map((s) => Object.fromEntries(names.map((name) => [name, digits(s[name])]))),
      },
      picture: profileSvg('One question about one picture', subtitle, medians),
    }
  } finally {
    seen?.dispose()
    model.dispose()
    rmSync(temporary, { recursive: true, force: true })
  }
}

function sum(times: Times): number {
  return Object.values(times).reduce((n, ms) => n + ms, 0)
}

/** `bench -- profile`. */
export const profileBenchmark: Benchmark = {
  summary: 'where the time of one question about one picture goes',
  options: { ...modelOption },
  help: MODEL_HELP,
  run: (args, context) => benchProfile({ ...context, ...modelOf(args) }),
}
