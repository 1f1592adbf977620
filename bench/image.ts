/**
 * `bench -- image`: one question about one picture, as a person meets it: the time from the question to the first token (decoding and
 * resizing the picture, vision tower, projector, prefill with PLoRA), then tokens a second. The peer is the reference architecture in PyTorch in
 * float32 and in bfloat16, each interleaved with ours, and what counts is the better of the two. It has random weights of the same shape,
 * so its tokens are others, but the positions, the picture's included, and the number of tokens are the same.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { InputError } from '../src/common/errors.js'
import { XComposer } from '../src/inference/xcomposer.js'
import {
  type Benchmark,
  type BenchResult,
  MODEL_HELP,
  type ModelContext,
  modelOf,
  modelOption,
  type PeerContext,
  PYTHON_HELP,
  pythonOption,
} from './benchmark.js'
import { writePicture } from './decode-inputs.js'
import { flatPrompt, writeImageInputs } from './image-inputs.js'
import { factsLine, modelFacts } from './model-facts.js'
import { Peer } from './peer-process.js'
import { askPicture, checkAgainstChat, questionParts } from './question.js'
import { type Better, digits, interleave, median, spread, summarise } from './samples.js'

/** What it is told. */
type Told = ModelContext & PeerContext

/** Tokens of an answer; the first belongs to the time to the first token. */
const NEW_TOKENS = 64
/** In this order, since the first is the one that needs most memory. */
const DTYPES = ['float32', 'bfloat16'] as const

const ready = z.object({ torch: z.string(), weightsGB: z.number() })
const answer = z.object({ firstMs: z.number().positive(), decodeMs: z.number().positive() })
type Times = z.infer<typeof answer>

/** Runs of ours, and of the peer beside them. */
interface Side {
  readonly dtype: (typeof DTYPES)[number] | null
  readonly ours: readonly Times[]
  readonly peer: readonly Times[]
}

const first = (t: Times): number => t.firstMs
const rate = (t: Times): number => ((NEW_TOKENS - 1) * 1000) / t.decodeMs

/** The runs beside the peer's better dtype by one measure. */
export function best<S extends Pick<Side, 'peer'>>(sides: readonly S[], measure: (t: Times) => number, better: Better): S {
  const [head, ...rest] = sides
  if (!head) throw new InputError('image: nothing was measured')
  const value = (s: S): number => (s.peer.length > 0 ? median(s.peer.map(measure)) : 0)
  return rest.reduce((a, b) => ((better === 'more') === value(b) > value(a) ? b : a), head)
}

/** Measures and reports the time to the first token; tokens a second stand in the detail in the same form. */
async function benchImage(o: Told): Promise<BenchResult> {
  const facts = modelFacts(o.model)
  const temporary = mkdtempSync(join(tmpdir(), 'xcomposer-bench-'))
  const model = await XComposer.load(o.model, { threads: o.threads })
  try {
    if (!model.config.vision || model.config.vision.tiled)
      throw new InputError(`${o.model}: this benchmark needs a model that sees a picture as one square`)
    const parts = questionParts(model)
    const promptTokens = flatPrompt(parts, 0).ids.length
    if (promptTokens + NEW_TOKENS > model.contextLength) {
      throw new InputError(`${o.model}: a context of ${model.contextLength} is shorter than ${promptTokens + NEW_TOKENS}`)
    }
    o.print(`image: ${factsLine(facts)}; prompt of ${promptTokens} positions, ${facts.imageTokens} of them the picture`)
    let pictures = 0
    const fresh = () => writePicture(temporary, pictures++)
    const warm = await fresh()
    await checkAgainstChat(model, warm, await askPicture(model, warm, NEW_TOKENS))
    const ours = async () => said(o, 'ours', await askPicture(model, await fresh(), NEW_TOKENS))
    const sides: Side[] = []
    const about: Record<string, unknown> = {}
    if (o.python) {
      const files = await writeImageInputs(temporary, model.config, parts, warm)
      for (const dtype of DTYPES) {
        const args = [files.shape, files.inputs, dtype, String(o.threads), String(NEW_TOKENS)]
        const peer = Peer.start(o.python, 'image.py', args, o.threads)
        try {
          about[dtype] = await peer.answer(ready)
          await peer.ask('run', answer)
          const runs = await interleave(o.runs, ours, async () => said(o, `peer ${dtype}`, await peer.ask('run', answer)))
          sides.push({ dtype, ours: runs.a, peer: runs.b })
        } finally {
          await peer.end()
        }
      }
    } else sides.push({ dtype: null, ours: (await interleave(o.runs, ours, undefined)).a, peer: [] })
    const quick = best(sides, first, 'less')
    const fluent = best(sides, rate, 'more')
    return {
      report: summarise('image', quick.ours.map(first), quick.peer.map(first), 'less'),
      detail: {
        unit: 'ms from the question to the first token',
        peerDtype: quick.dtype,
        model: o.modelName,
        ...facts,
        promptTokens,
        newTokens: NEW_TOKENS,
        decode: {
          unit: 'tokens/s',
          peerDtype: fluent.dtype,
          ...summarise('image-decode', fluent.ours.map(rate), fluent.peer.map(rate)),
        },
        fairness: 'the peer is given decoded and resized pixels: its time to the first token leaves that part out',
        peerDetail: o.python ? about : null,
        sides: sides.map((s) => ({ dtype: s.dtype, ours: summary(s.ours), peer: summary(s.peer) })),
      },
    }
  } finally {
    model.dispose()
    rmSync(temporary, { recursive: true, force: true })
  }
}

function said<T extends Times>(o: Told, side: string, times: T): T {
  o.print(`${side}: first token after ${(first(times) / 1000).toFixed(2)} s, then ${rate(times).toFixed(2)} tokens/s`)
  return times
}

/** Medians, spreads and samples of one side; null for a peer that was not there. */
function summary(times: readonly Times[]) {
  if (times.length === 0) return null
  const of = (values: number[]) => ({
    median: digits(median(values)),
    spread: digits(spread(values)),
    samples: values.map(digits),
  })
  return { firstMs: of(times.map(first)), tokensPerSecond: of(times.map(rate)) }
}

/** `bench -- image`. */
export const imageBenchmark: Benchmark = {
  summary: 'one question about one picture, against PyTorch',
  options: { ...modelOption, ...pythonOption },
  help: `${MODEL_HELP}
${PYTHON_HELP}`,
  programs: ['python'],
  run: (args, context) => benchImage({ ...context, ...modelOf(args), python: args.text('python') }),
}
