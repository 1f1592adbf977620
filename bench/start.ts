/**
 * `bench -- start`: from starting the process to the first token of an answer to a text question, with the command line itself and the
 * model's file in the page cache. A second program that does the same (start-child.ts) says where the time goes and how much memory was
 * resident at most. There is no peer.
 */

import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { XComposerError } from '../src/common/errors.js'
import { packageRoot } from '../src/common/package-root.js'
import { type Benchmark, type BenchResult, MODEL_HELP, type ModelContext, modelOf, modelOption } from './benchmark.js'
import { factsLine, modelFacts } from './model-facts.js'
import { digits, median, summarise } from './samples.js'

const QUESTION = 'Hello'

const ms = z.number().nonnegative()
const startParts = z.object({
  nodeMs: ms,
  importsMs: ms,
  openMs: ms,
  tokenizerMs: ms,
  sessionsMs: ms,
  firstTokenMs: ms,
  peakBytes: z.number().positive(),
})
type StartParts = z.infer<typeof startParts>

/** What a process wrote, and when: milliseconds from its start to its first byte and to its end. */
interface Started {
  readonly text: string
  readonly firstByteMs: number
  readonly endMs: number
}

/** Runs a script with this Node. @throws XComposerError with its last words when it fails or is silent */
export function startNode(script: string, args: readonly string[]): Promise<Started> {
  return new Promise((resolve, reject) => {
    const began = performance.now()
    const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    let firstByteMs: number | undefined
    let text = ''
    let errors = ''
    child.stdout.setEncoding('utf8').on('data', (piece: string) => {
      firstByteMs ??= performance.now() - began
      text += piece
    })
    child.stderr.setEncoding('utf8').on('data', (piece: string) => {
      errors += piece
    })
    child.on('error', reject)
    child.on('close', (code) => {
      if (code === 0 && firstByteMs !== undefined) resolve({ text, firstByteMs, endMs: performance.now() - began })
      else reject(new XComposerError(`${script}: ended with code ${code}: ${errors.trim().split('\n').at(-1) || 'silent'}`))
    })
  })
}

/** The median of each part. */
export function medianParts(parts: readonly StartParts[]): StartParts {
  const names = Object.keys(startParts.shape) as (keyof StartParts)[]
  return startParts.parse(Object.fromEntries(names.map((name) => [name, digits(median(parts.map((p) => p[name])))])))
}

/** Reports milliseconds to the first token. */
async function benchStart(o: ModelContext): Promise<BenchResult> {
  const facts = modelFacts(o.model)
  o.print(`start: ${factsLine(facts)}`)
  const command = join(packageRoot, 'bin', 'xcomposer.js')
  const call = ['chat', '--model', o.model, '--threads', String(o.threads), '--max-new-tokens', '1', QUESTION]
  const child = fileURLToPath(new URL('start-child.js', import.meta.url))
  const inParts = async () => startParts.parse(JSON.parse((await startNode(child, [o.model, String(o.threads), QUESTION])).text))
  // The first start of each reads the files into the page cache.
  await startNode(command, call)
  await inParts()
  const starts: Started[] = []
  const parts: StartParts[] = []
  for (let run = 0; run < o.runs; run++) {
    const started = await startNode(command, call)
    o.print(`first token ${started.firstByteMs.toFixed(0)} ms after the process was started`)
    starts.push(started)
    parts.push(await inParts())
  }
  const firstBytes = starts.map((s) => s.firstByteMs)
  const { peakBytes, ...times } = medianParts(parts)
  return {
    report: summarise('start', firstBytes, [], 'less'),
    detail: {
      unit: 'ms from the start of the process to the first token',
      model: o.modelName,
      ...facts,
      endMs: digits(median(starts.map((s) => s.endMs))),
      parts: times,
      partsExplained: {
        nodeMs: 'Node itself, until the first line of the script',
        importsMs: 'the library and its native modules',
        openMs: "config.json and the weights' headers, checked",
        tokenizerMs: 'tokenizer.model',
        sessionsMs: 'weights mapped, the graph for text written and compiled; those for pictures are made with the first picture',
        firstTokenMs: 'the prompt through the model',
      },
      peakMB: digits(peakBytes / 1e6),
      samples: { ours: firstBytes.map(digits), peer: [] },
    },
  }
}

/** `bench -- start`. */
export const startBenchmark: Benchmark = {
  summary: 'from starting the process to the first token',
  options: { ...modelOption },
  help: MODEL_HELP,
  run: (args, context) => benchStart({ ...context, ...modelOf(args) }),
}
