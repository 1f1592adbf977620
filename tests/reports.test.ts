/** Inputs that once failed (tests/data/reports), each run as its `cmd` says with the built command, and compared with what is expected. */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { runsSlow, SLOW } from './support/slow.js'

const root = join(import.meta.dirname, '..')
const reports = join('tests', 'data', 'reports')

/** What both streams of a case must hold, in this order, and must not. */
interface Expectation {
  readonly says: readonly RegExp[]
  readonly never?: RegExp
  /** Exit code of the whole `cmd`, where it is not that of an `echo`. */
  readonly exit?: number
  readonly slow?: boolean
}

const firstStep = /^step +\d+\/\d+/m
const trained = [/steps, last loss \d/, /^exit 0$/m]

const expectations: Readonly<Record<string, Expectation>> = {
  'alpha-picture': { says: [/^house with garden$/m, /^house with garden$/m], exit: 0 },
  'alpha-train-eval': { says: [/last loss/, /^overall +100\.0/m], exit: 0, slow: true },
  'answer-beyond-max-length': {
    says: [/record 7\b.*max_length 128/, firstStep, /^exit 0$/m, /max_length/, /^exit 2$/m],
    never: /NaN/,
  },
  'broken-library-picture': { says: [/brk\.html$/m, /brk\.html$/m, /brk\.html$/m], never: /cannot be decoded/, exit: 0 },
  'choice-scorer': { says: [/all as a reader would/], exit: 0 },
  'corrupt-training-picture': { says: [/train\.json.*record \d+.*bad\.jpg/, /^exit 2$/m], never: firstStep },
  'exif-picture': { says: [/^house with garden$/m, /^house with garden$/m], exit: 0 },
  'finetune-nano': { says: trained },
  'llava-format': { says: trained },
  'model-messages': {
    says: [
      /gptq: its weights are stored by GPTQ .*, which is not read; take the float checkpoint/,
      /llava: .*another architecture, "LlavaForConditionalGeneration"/,
      /lfs: model\.safetensors is a Git LFS pointer, not the file itself; run .*git lfs pull/,
      /lfstok: tokenizer\.model is a Git LFS pointer/,
      /adapter: a LoRA adapter for "internlm\/internlm-xcomposer2-vl-7b", not a whole model; merge it into its base model/,
      /shards: 1 of 1 shards without model\.safetensors\.index\.json/,
    ],
  },
  'parallel-chat': { says: [/right: 40, wrong: 0, thrown: 0/], exit: 0 },
  'train-tiled': { says: trained },
  'use-after-dispose': { says: [/^error: .*disposed/m, /^exit 0$/m, /^error: .*disposed/m, /^exit 0$/m] },
}

function run(name: string) {
  const command = `exec 2>&1; export CASE=${join(reports, name).replaceAll('\\', '/')}; . "$CASE/cmd"`
  const { status, stdout } = spawnSync('bash', ['-c', command], { cwd: root, encoding: 'utf8', maxBuffer: 1e8 })
  return { status, output: stdout }
}

/** Cases share out/h, so they run one after the other; so do tests of one file. */
describe.skipIf(process.platform === 'win32')('a report', () => {
  for (const [name, { says, never, exit, slow = false }] of Object.entries(expectations)) {
    it.skipIf(slow && !runsSlow)(`${name} is mended${slow && !runsSlow ? ` (${SLOW})` : ''}`, { timeout: 300_000 }, () => {
      const { status, output } = run(name)
      let rest = output
      for (const pattern of says) {
        expect(rest, `in the output of ${name}:\n${output}\n`).toMatch(pattern)
        const { 0: found = '', index = 0 } = pattern.exec(rest) ?? {}
        rest = rest.slice(index + found.length)
      }
      if (never) expect(output).not.toMatch(never)
      if (exit !== undefined) expect(status).toBe(exit)
      expect(output, 'a stack').not.toMatch(/^ {4}at .*:\d+:\d+\)?$/m)
    })
  }

  it('stands in the table, each of them', () => {
    const folders = readdirSync(join(root, reports), { withFileTypes: true }).filter((entry) => entry.isDirectory())
    expect(folders.map(({ name }) => name).sort()).toEqual(Object.keys(expectations).sort())
  })
})
