/**
 * `bench -- memory`: the most memory that a process holds which loads a model and answers a question about a picture in a context
 * of 2,048 positions. A process of its own, since a process never gets smaller than it was. There is no peer: what others need for the same
 * model is at least its weights in the precision they keep.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { type Benchmark, type BenchResult, MODEL_HELP, type ModelContext, modelOf, modelOption } from './benchmark.js'
import { writePicture } from './decode-inputs.js'
import { factsLine, modelFacts } from './model-facts.js'
import { digits, median, summarise } from './samples.js'
import { startNode } from './start.js'

const CONTEXT = 2048

const bytes = z.number().nonnegative()
const part = z.object({ peak: bytes, own: bytes, mapped: bytes })
const answer = z.object({
  behind: z.object({ load: part, picture: part, prompt: part, answer: part }),
  positions: z.number(),
})

/** Reports the peak in GB (10^9 bytes). */
async function benchMemory(o: ModelContext): Promise<BenchResult> {
  const facts = modelFacts(o.model)
  o.print(`memory: ${factsLine(facts)}`)
  const temporary = mkdtempSync(join(tmpdir(), 'xcomposer-bench-'))
  try {
    const script = fileURLToPath(new URL('memory-child.js', import.meta.url))
    const runs: z.infer<typeof answer>[] = []
    for (let run = 0; run < o.runs; run++) {
      const picture = await writePicture(temporary, run)
      const { text } = await startNode(script, [o.model, String(o.threads), picture, String(CONTEXT)])
      const one = answer.parse(JSON.parse(text))
      runs.push(one)
      o.print(`${gb(one.behind.answer.peak)} GB at most, over ${one.positions} positions`)
    }
    const names = ['load', 'picture', 'prompt', 'answer'] as const
    const table = names.map((name) => {
      const of = (field: 'peak' | 'own' | 'mapped') => gb(median(runs.map(({ behind }) => behind[name][field])))
      return { behind: name, peakGB: of('peak'), ownGB: of('own'), mappedGB: of('mapped') }
    })
    return {
      report: summarise(
        'memory',
        runs.map(({ behind }) => behind.answer.peak / 1e9),
        [],
        'less',
      ),
      detail: {
        unit: 'GB resident at most',
        model: o.modelName,
        ...facts,
        fileGB: gb(statSync(join(o.model, 'model.safetensors')).size),
        positions: runs[0]?.positions,
        parts: table,
      },
    }
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
}

function gb(size: number): number {
  return digits(size / 1e9)
}

/** `bench -- memory`. */
export const memoryBenchmark: Benchmark = {
  summary: 'the most memory that an answer about a picture takes',
  options: { ...modelOption },
  help: MODEL_HELP,
  run: (args, context) => benchMemory({ ...context, ...modelOf(args) }),
}
