/**
 * `xcomposer verify DIR`: runs every golden check whose folder lies in DIR, one line a case. What is not implemented is listed as
 * skipped, never as passed. It knows no format: each check reads its own folder (src/verify).
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { InputError } from '../common/errors.js'
import type { CaseResult, GoldenCheck } from '../verify/check.js'
import { type Command, onlyPositional } from './command.js'
import type { Io } from './io.js'

/** Each implemented part, in the order of the data's way through the model. Loaded when its folder is there. */
const checks: Readonly<Record<string, () => Promise<GoldenCheck>>> = {
  formats: async () => (await import('../verify/formats.js')).check,
  tokenizer: async () => (await import('../verify/tokenizer.js')).check,
  prompts: async () => (await import('../verify/prompts.js')).check,
  sft_text: async () => (await import('../verify/sft_text.js')).check,
  preprocess: async () => (await import('../verify/preprocess.js')).check,
  hd_tiling: async () => (await import('../verify/hd_tiling.js')).check,
  clip: async () => (await import('../verify/clip.js')).check,
  decoder: async () => (await import('../verify/decoder.js')).check,
  vlm: async () => (await import('../verify/vlm.js')).check,
  vlm_hd: async () => (await import('../verify/vlm_hd.js')).check,
  e2e: async () => (await import('../verify/e2e.js')).check,
  logits_processors: async () => (await import('../verify/logits_processors.js')).check,
  train: async () => (await import('../verify/train.js')).check,
  composition: async () => (await import('../verify/composition.js')).check,
}

/** Parts that this version does not implement, and what they are. */
const missing: Readonly<Record<string, string>> = {
  eval_prompts: 'prompts of the public benchmarks are not implemented',
  scorers: 'checked by the tests of src/evaluate, not by this command',
}

export const verifyCommand: Command = {
  name: 'verify',
  summary: 'compare with reference data',
  options: {},
  help: `Usage: xcomposer verify DIR

Reads a folder of reference inputs and outputs, one sub-folder for each part, and checks every part that is implemented: one line
for each case with its largest error. Exit code 1 when a case fails.

Example:
  xcomposer verify tests/data/goldens
`,
  run: async (args, io) => verify(onlyPositional(args, 'verify', 'one folder'), io),
}

interface Tally {
  passed: number
  failed: number
}

/** Checks the folder and gives the exit code. @throws InputError when it holds nothing to check */
export async function verify(dir: string, io: Io): Promise<number> {
  const folders = subfolders(dir)
  const known = Object.keys(checks).filter((name) => folders.includes(name))
  const others = folders.filter((name) => !known.includes(name))
  if (known.length === 0)
    throw new InputError(`${dir}: nothing to check in it; expected folders such as ${Object.keys(checks).join(', ')}`)
  const tally: Tally = { passed: 0, failed: 0 }
  for (const name of known) {
    io.signal.throwIfAborted()
    await checkFolder(name, join(dir, name), io, tally)
  }
  for (const name of others) io.out(`skip  ${name}  ${missing[name] ?? 'not known to this version'}\n`)
  io.out(`${tally.passed} passed, ${tally.failed} failed\n`)
  return tally.failed > 0 ? 1 : 0
}

function subfolders(dir: string): string[] {
  try {
    return readdirSync(dir, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
      .sort()
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    throw new InputError(`${dir}: cannot be read (${code ?? message}); expected a folder of reference data`, { cause })
  }
}

/** A folder that cannot be read is one failed case, so that the others are still checked. */
async function checkFolder(name: string, dir: string, io: Io, tally: Tally): Promise<void> {
  let cases = 0
  try {
    const check = await checks[name]?.()
    if (!check) return
    for await (const result of check.run(dir)) {
      cases++
      show(name, result, io, tally)
    }
    if (cases === 0) show(name, { name: 'whole folder', passed: false, detail: 'no case was found in it' }, io, tally)
  } catch (error) {
    if (io.signal.aborted) throw error
    const detail = error instanceof Error ? error.message : String(error)
    show(name, { name: 'whole folder', passed: false, detail }, io, tally)
  }
}

function show(folder: string, { name, passed, largestError, detail }: CaseResult, io: Io, tally: Tally): void {
  const skipped = passed && detail?.startsWith('skipped') === true
  if (!skipped) tally[passed ? 'passed' : 'failed']++
  const error = largestError === undefined ? '' : `  largest error ${largestError.toPrecision(3)}`
  const text = (detail ?? '').replace(/\s+/g, ' ').replace(/^skipped: /, '')
  const why = text === '' ? '' : `  ${text}`
  io.out(`${skipped ? 'skip' : passed ? 'ok  ' : 'FAIL'}  ${folder}/${name}${error}${why}\n`)
}
