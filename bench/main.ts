/**
 * `npm run -s bench -- NAME`: speed against peers. The last line printed is one JSON object (samples.ts, Report);
 * the same with all samples, the machine and the command goes to bench/results/<name>.json. Never part of the tests.
 */
import { mkdirSync, writeSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'
import { dirname, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { writeAll, writeFileAtomically } from '../src/checkpoint/atomic.js'
import { InputError, XComposerError } from '../src/errors.js'
import type { BenchOptions, BenchResult } from './benchmark.js'
import { benchDecode } from './decode.js'
import { benchLlama } from './llama.js'
import { digits } from './samples.js'
import { benchTrain } from './train.js'

const benchmarks: Readonly<Record<string, (o: BenchOptions) => Promise<BenchResult>>> = {
  train: benchTrain,
  decode: benchDecode,
  llama: benchLlama,
}

const usage = `usage: npm run -s bench -- <train|decode|llama> [options]
  --python PATH   a Python with torch and numpy: the peer runs interleaved in the same session
  --llama-bench PATH  llama: llama.cpp's benchmark program, which runs interleaved
  --runs N        timed runs of each side (default 7)
  --threads N     threads of each side (default: all cores)
  --config FILE   train: shape of the model (default recipes/nano/config.json)
  --model DIR     decode: model directory (default models/nano)
  --out FILE      where the result is written (default bench/results/<name>.json)`

function whole(text: string | undefined, name: string, fallback: number): number {
  const value = text === undefined ? fallback : Number(text)
  if (Number.isInteger(value) && value >= 1 && value <= 1000) return value
  throw new InputError(`--${name} ${text}: expected a whole number from 1 to 1000`)
}

function readArguments(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        python: { type: 'string' },
        'llama-bench': { type: 'string' },
        runs: { type: 'string' },
        threads: { type: 'string' },
        config: { type: 'string' },
        model: { type: 'string' },
        out: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    throw new InputError(`${error instanceof Error ? error.message : error}\n${usage}`)
  }
}

async function main(args: string[]): Promise<void> {
  const { values, positionals } = readArguments(args)
  const [name = ''] = positionals
  if (values.help) return say(usage)
  const benchmark = Object.hasOwn(benchmarks, name) ? benchmarks[name] : undefined
  if (!benchmark || positionals.length !== 1) throw new InputError(`no benchmark "${positionals.join(' ')}"\n${usage}`)
  const load = loadavg()[0] ?? 0
  const threads = whole(values.threads, 'threads', availableParallelism())
  const { report, detail } = await benchmark({
    python: values.python,
    llamaBench: values['llama-bench'],
    threads,
    runs: whole(values.runs, 'runs', 7),
    config: values.config ?? 'recipes/nano/config.json',
    model: values.model ?? 'models/nano',
    print: say,
  })
  const machine = {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    loadBefore: digits(load),
  }
  const out = resolve(values.out ?? `bench/results/${name}.json`)
  const command = `npm run -s bench -- ${portable(args, values).join(' ')}`
  mkdirSync(dirname(out), { recursive: true })
  const text = `${JSON.stringify({ ...report, command, date: new Date().toISOString(), threads, machine, ...detail }, null, 2)}\n`
  writeFileAtomically(out, (fd) => writeAll(fd, new TextEncoder().encode(text)))
  say(JSON.stringify(report))
}

/** The command as anyone can repeat it: where a peer lies is this machine's business. */
function portable(args: readonly string[], values: { python?: string; 'llama-bench'?: string }): string[] {
  const named = [
    [values.python, 'PYTHON'],
    [values['llama-bench'], 'LLAMA_BENCH'],
  ] as const
  return args.map((arg) => named.reduce((text, [path, name]) => (path === undefined ? text : text.replace(path, name)), arg))
}

function say(line: string): void {
  writeSync(1, `${line}\n`)
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof XComposerError)) throw error
  process.stderr.write(`bench: ${error.message}\n`)
  process.exitCode = error.exitCode
}
