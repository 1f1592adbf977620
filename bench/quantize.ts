/**
 * `bench -- quantize`: the most memory that quantising a float model to 4 bits takes, and how long it takes, as it is and calibrated.
 * Each in a process of its own; there is no peer. Reported is the memory of the plain way.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { InputError } from '../src/common/errors.js'
import { type Benchmark, type BenchResult, MODEL_HELP, type ModelContext, modelOf, modelOption } from './benchmark.js'
import { factsLine, modelFacts } from './model-facts.js'
import { digits, median, summarise } from './samples.js'
import { startNode } from './start.js'

/** What it is told. */
type Told = ModelContext & { readonly plain: boolean }

/** Windows of text to calibrate with: as many as `quantize` takes at most. */
const WINDOWS = 32

const answer = z.object({ seconds: z.number().positive(), peak: z.number().positive() })

/** Reports the peak in GB (10^9 bytes). The quantised models are written beside the model and removed. */
async function benchQuantize(o: Told): Promise<BenchResult> {
  const facts = modelFacts(o.model)
  if (facts.bits !== 32) throw new InputError(`${o.model}: is quantised already; quantising starts from a float model`)
  o.print(`quantize: ${factsLine(facts)}`)
  const script = fileURLToPath(new URL('quantize-child.js', import.meta.url))
  const temporary = mkdtempSync(`${o.model}-quantize-`)
  try {
    const out = join(temporary, 'quantised')
    const runOnce = async (windows: number) => {
      const { text } = await startNode(script, [o.model, out, String(windows)])
      const one = answer.parse(JSON.parse(text))
      o.print(`${windows > 0 ? 'calibrated: ' : ''}${gb(one.peak)} GB at most, ${one.seconds.toFixed(0)} s`)
      return one
    }
    const plain: z.infer<typeof answer>[] = []
    for (let run = 0; run < o.runs; run++) plain.push(await runOnce(0))
    const calibrated = o.plain ? undefined : await runOnce(WINDOWS)
    return {
      report: summarise(
        'quantize',
        plain.map(({ peak }) => peak / 1e9),
        [],
        'less',
      ),
      detail: {
        unit: 'GB resident at most',
        model: o.modelName,
        ...facts,
        quantisedGB: gb(statSync(join(out, 'model.safetensors')).size),
        seconds: digits(median(plain.map(({ seconds }) => seconds))),
        calibrated: calibrated ? { windows: WINDOWS, peakGB: gb(calibrated.peak), seconds: digits(calibrated.seconds) } : null,
      },
    }
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
}

function gb(size: number): number {
  return digits(size / 1e9)
}

/** `bench -- quantize`. */
export const quantizeBenchmark: Benchmark = {
  summary: 'memory and time of quantising a float model',
  options: { ...modelOption, plain: { type: 'boolean' } },
  help: `${MODEL_HELP}
      --plain            leave out the calibrated way, which takes long for a large model`,
  run: (args, context) => benchQuantize({ ...context, ...modelOf(args), plain: args.flag('plain') }),
}
