/**
 * `bench -- decode`: tokens a second of greedy decoding through the library's own path (generate/), against the same
 * decoder and weights in PyTorch with a KV cache, interleaved; and how long the first word about one picture takes.
 * Both sides must choose the same tokens, or nothing is reported.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { chat } from '../src/chat/chat.js'
import { InputError, XComposerError } from '../src/common/errors.js'
import { generate } from '../src/generate/generate.js'
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
import { PROMPT_TOKENS, promptIds, writeDecoder, writePicture } from './decode-inputs.js'
import { Peer } from './peer-process.js'
import { digits, interleave, median, spread, summarise } from './samples.js'

/** What it is told. */
type Told = ModelContext & PeerContext

/** New tokens of one run; the first comes from the prompt's pass and is not timed. */
const NEW_TOKENS = 128
/** Greedy decoding of float32 on two engines may part at a near tie, but not at once. */
const SAME_TOKENS = 8

const ready = z.object({ torch: z.string() })
const answer = z.object({ seconds: z.number().positive(), ids: z.array(z.number()).length(NEW_TOKENS) })
type Run = z.infer<typeof answer>

/** One run of ours: a prompt, then tokens without a stop, so that every run has the same length. */
async function decode(model: XComposer, prompt: readonly number[]): Promise<Run> {
  const { logits, sequence } = await model.prefill([{ kind: 'text', ids: [...prompt] }], [])
  try {
    const ids: number[] = []
    let start = 0
    for await (const token of generate(logits, sequence, { maxNewTokens: NEW_TOKENS })) {
      if (ids.length === 0) start = performance.now()
      ids.push(token.id)
    }
    return { seconds: (performance.now() - start) / 1000, ids }
  } finally {
    sequence.dispose()
  }
}

/** Milliseconds from a question about a picture file to the first token of the answer. */
async function firstToken(model: XComposer, file: string): Promise<number> {
  const content = [
    { type: 'image' as const, image: { file } },
    { type: 'text' as const, text: 'What is in the picture?' },
  ]
  const stream = chat(model, [{ role: 'user', content }], { maxNewTokens: 4 })
  return (await stream.result).timings.firstTokenMs
}

function checkTokens(ours: Run, peer: Run, print: (line: string) => void): void {
  const parted = ours.ids.findIndex((id, i) => id !== peer.ids[i])
  const same = parted < 0 ? NEW_TOKENS : parted
  print(`${same} of ${NEW_TOKENS} greedy tokens are the same on both sides`)
  if (same < SAME_TOKENS)
    throw new XComposerError(`decode: the peer chooses other tokens from number ${same + 1} on; no speed is reported`)
}

/** Measures and reports tokens a second; first-token times are in the detail. */
async function benchDecode(o: Told): Promise<BenchResult> {
  const temporary = mkdtempSync(join(tmpdir(), 'xcomposer-bench-'))
  let peer: Peer | undefined
  let model: XComposer | undefined
  try {
    const start = performance.now()
    const loaded = await XComposer.load(o.model, { threads: o.threads })
    model = loaded
    const loadMs = performance.now() - start
    if (loaded.contextLength < PROMPT_TOKENS + NEW_TOKENS) {
      throw new InputError(
        `${o.model}: a context of ${loaded.contextLength} is shorter than the benchmark's ${PROMPT_TOKENS + NEW_TOKENS}`,
      )
    }
    const first = await firstTokens(loaded, temporary, o)
    const prompt = promptIds(loaded.config.decoder.vocabularySize)
    const warm = await decode(loaded, prompt)
    let about: z.infer<typeof ready> | null = null
    if (o.python) {
      const file = writeDecoder(temporary, o.model, prompt)
      peer = Peer.start(
        o.python,
        'decode.py',
        [join(o.model, 'config.json'), file, String(o.threads), String(NEW_TOKENS)],
        o.threads,
      )
      about = await peer.answer(ready)
      checkTokens(warm, await peer.ask('run', answer), o.print)
    }
    const rate = (side: string, r: Run) => {
      const value = (NEW_TOKENS - 1) / r.seconds
      o.print(`${side} ${value.toFixed(0)} tokens/s`)
      return value
    }
    const python = peer
    const samples = await interleave(
      o.runs,
      async () => rate('ours', await decode(loaded, prompt)),
      python && (async () => rate('peer', await python.ask('run', answer))),
    )
    return {
      report: summarise('decode', samples.a, samples.b),
      detail: {
        unit: 'tokens/s',
        model: o.modelName,
        promptTokens: PROMPT_TOKENS,
        newTokens: NEW_TOKENS,
        loadMs: digits(loadMs),
        firstToken: first,
        peerDetail: about && { ...about, spread: digits(spread(samples.b)) },
        samples: { ours: samples.a.map(digits), peer: samples.b.map(digits) },
      },
    }
  } finally {
    peer?.dispose()
    model?.dispose()
    rmSync(temporary, { recursive: true, force: true })
  }
}

/** The very first answer after loading, which also builds the sessions, and the median of later ones; null without pictures. */
async function firstTokens(model: XComposer, temporary: string, o: Told): Promise<{ coldMs: number; medianMs: number } | null> {
  if (!model.config.vision) return null
  const times: number[] = []
  for (let run = 0; run <= o.runs; run++) times.push(await firstToken(model, await writePicture(temporary, run)))
  const [cold = 0, ...later] = times
  const result = { coldMs: digits(cold), medianMs: digits(median(later)) }
  o.print(`first token for one picture: ${result.medianMs} ms (${result.coldMs} ms right after loading)`)
  return result
}

/** `bench -- decode`. */
export const decodeBenchmark: Benchmark = {
  summary: 'greedy decoding, and the first token about one picture, against PyTorch',
  options: { ...modelOption, ...pythonOption },
  help: `${MODEL_HELP}
${PYTHON_HELP}`,
  programs: ['python'],
  run: (args, context) => benchDecode({ ...context, ...modelOf(args), python: args.text('python') }),
}
