/**
 * `npm run -s bench -- NAME`: speed, against peers where there are any. The last line printed is one JSON object (samples.ts, Report);
 * the same with all samples, the machine and the command goes to bench/results/<name>.json. Never part of the tests.
 */
import { mkdirSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'
import { dirname, resolve } from 'node:path'
import { type Args, readArgs } from '../src/cli/command.js'
import type { Io } from '../src/cli/io.js'
import { guarded } from '../src/cli/main.js'
import { runProcess } from '../src/cli/process.js'
import { writeAll, writeFileAtomically } from '../src/common/atomic.js'
import { InputError } from '../src/common/errors.js'
import { suggestion } from '../src/common/spelling.js'
import { type Benchmark, placeless } from './benchmark.js'
import { benchmarks } from './benchmarks.js'
import { digits } from './samples.js'

const PROGRAM = 'npm run -s bench --'
const common = { runs: { type: 'string' }, threads: { type: 'string' }, out: { type: 'string' } } as const

/** What `bench -- --help` prints. */
function overview(): string {
  const width = Math.max(...Object.keys(benchmarks).map((name) => name.length))
  const list = Object.entries(benchmarks).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`)
  return `Usage: ${PROGRAM} NAME [options]\n\n${list.join('\n')}\n\n${PROGRAM} NAME --help explains one.\n`
}

/** What `bench -- NAME --help` prints. */
function explanation(name: string, { summary, help }: Benchmark): string {
  return `Usage: ${PROGRAM} ${name} [options]

${name}: ${summary}. The last line is one JSON object; all samples go to the results file.

${help}
      --runs N           timed runs of each side (default 7)
      --threads N        threads of each side (default: all cores)
      --out FILE         the results file (default bench/results/${name}.json); a picture goes beside it
                         (default docs/images/${name}.svg)
`
}

async function main(argv: readonly string[], io: Io): Promise<number> {
  const [name, ...rest] = argv
  if (name === undefined || name === '--help' || name === '-h') {
    io.out(overview())
    return name === undefined ? 2 : 0
  }
  const benchmark = Object.hasOwn(benchmarks, name) ? benchmarks[name] : undefined
  if (!benchmark) {
    const names = Object.keys(benchmarks)
    const meant = suggestion(name, names) || `; expected ${names.join(', ')}`
    throw new InputError(`no benchmark "${name}"${meant}; see ${PROGRAM} --help`)
  }
  const args = readArgs({ name, options: { ...benchmark.options, ...common } }, rest, PROGRAM)
  if (args.flag('help')) {
    io.out(explanation(name, benchmark))
    return 0
  }
  if (args.positionals.length > 0)
    throw new InputError(`${name}: expected only options, got "${args.positionals[0]}"; see ${PROGRAM} ${name} --help`)
  await measure(name, benchmark, args, rest, io)
  return 0
}

async function measure(name: string, benchmark: Benchmark, args: Args, given: readonly string[], io: Io): Promise<void> {
  const load = loadavg()[0] ?? 0
  const threads = args.wholeNumber('threads', 1, 1000) ?? availableParallelism()
  const print = (line: string) => io.out(`${line}\n`)
  const runs = args.wholeNumber('runs', 1, 1000) ?? 7
  const { report, detail, picture } = await benchmark.run(args, { threads, runs, print })
  const machine = {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    loadBefore: digits(load),
  }
  const command = `${PROGRAM} ${[name, ...portable(benchmark, args, given)].join(' ')}`
  const asked = args.text('out')
  const out = resolve(asked ?? `bench/results/${name}.json`)
  write(out, `${JSON.stringify({ ...report, command, date: new Date().toISOString(), threads, machine, ...detail }, null, 2)}\n`)
  if (picture) write(asked ? out.replace(/(\.json)?$/, '.svg') : resolve(`docs/images/${name}.svg`), picture)
  print(JSON.stringify(report))
}

/** The arguments as anyone can repeat them: where peers and models lie is this machine's business. */
function portable({ options, programs = [] }: Benchmark, args: Args, given: readonly string[]): string[] {
  const shown = new Map<string, string>()
  for (const option of Object.keys(options)) {
    const value = options[option]?.type === 'string' ? args.text(option) : undefined
    if (value !== undefined)
      shown.set(value, programs.includes(option) ? option.toUpperCase().replaceAll('-', '_') : placeless(value))
  }
  return given.map((piece) => {
    const [, option = '', value = piece] = /^(--[\w-]+=)(.*)$/s.exec(piece) ?? []
    return `${option}${shown.get(value) ?? value}`
  })
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileAtomically(file, (fd) => writeAll(fd, new TextEncoder().encode(text)))
}

await runProcess((io) => guarded(io, () => main(process.argv.slice(2), io)))
