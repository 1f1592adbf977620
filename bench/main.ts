/**
 * `npm run -s bench -- NAME`: speed, against peers where there are any. The last line printed is one JSON object (samples.ts, Report);
 * the same with all samples, the machine and the command goes to bench/results/<name>.json. Never part of the tests.
 */
import { mkdirSync, writeSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'
import { basename, dirname, isAbsolute, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { writeAll, writeFileAtomically } from '../src/common/atomic.js'
import { InputError, XComposerError } from '../src/common/errors.js'
import type { BenchOptions, BenchResult } from './benchmark.js'
import { benchDecode } from './decode.js'
import { benchImage } from './image.js'
import { benchLlama } from './llama.js'
import { benchLookup } from './lookup.js'
import { benchMemory } from './memory.js'
import { benchPlora } from './plora.js'
import { benchProfile } from './profile.js'
import { benchQuantize } from './quantize.js'
import { benchRounding } from './rounding.js'
import { digits } from './samples.js'
import { benchStart } from './start.js'
import { benchTrain } from './train.js'

const benchmarks: Readonly<Record<string, (o: BenchOptions) => Promise<BenchResult>>> = {
  train: benchTrain,
  decode: benchDecode,
  image: benchImage,
  llama: benchLlama,
  memory: benchMemory,
  plora: benchPlora,
  lookup: benchLookup,
  start: benchStart,
  profile: benchProfile,
  rounding: benchRounding,
  quantize: benchQuantize,
}

const usage = `usage: npm run -s bench -- <${Object.keys(benchmarks).join('|')}> [options]
  --python PATH   a Python with torch and numpy: the peer of train, decode and image, interleaved in the same session
  --llama-bench PATH  llama: llama.cpp's benchmark program, interleaved as well
  --runs N        timed runs of each side (default 7); rounding: parts of the text
  --threads N     threads of each side (default: all cores)
  --config FILE   train: shape of the model (default recipes/nano/config.json)
  --model DIR     all but train: model directory (default models/nano)
  --text FILE     rounding: a text to predict and to calibrate with (default: what the model says of the example library)
  --plain         quantize: leave out the calibrated way, which takes long for a large model
  --out FILE      where the result is written (default bench/results/<name>.json); a picture goes beside it
                  (default docs/images/<name>.svg)`

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
        text: { type: 'string' },
        plain: { type: 'boolean' },
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
  const model = values.model ?? 'models/nano'
  const modelName = isAbsolute(model) ? basename(model) : model
  const { report, detail, picture } = await benchmark({
    python: values.python,
    llamaBench: values['llama-bench'],
    threads,
    runs: whole(values.runs, 'runs', 7),
    config: values.config ?? 'recipes/nano/config.json',
    model,
    modelName,
    text: values.text,
    plain: values.plain ?? false,
    print: say,
  })
  const machine = {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    loadBefore: digits(load),
  }
  // The command as anyone can repeat it: where peers and models lie is this machine's business.
  const names = new Map([
    [values.python, 'PYTHON'],
    [values['llama-bench'], 'LLAMA_BENCH'],
    [model, modelName],
    [values.text, basename(values.text ?? '')],
  ])
  const portable = args.map((a) => names.get(a) ?? a)
  const command = `npm run -s bench -- ${portable.join(' ')}`
  const out = resolve(values.out ?? `bench/results/${name}.json`)
  write(out, `${JSON.stringify({ ...report, command, date: new Date().toISOString(), threads, machine, ...detail }, null, 2)}\n`)
  if (picture) write(values.out ? out.replace(/(\.json)?$/, '.svg') : resolve(`docs/images/${name}.svg`), picture)
  say(JSON.stringify(report))
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileAtomically(file, (fd) => writeAll(fd, new TextEncoder().encode(text)))
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
