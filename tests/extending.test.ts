/**
 * The walks of docs/extending.md, as a reader would follow them: new files and changed lines are applied to a copy of the sources, which is
 * compiled as strictly as the project, and what the page runs is run.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const root = join(import.meta.dirname, '..')
const page = readFileSync(join(root, 'docs', 'extending.md'), 'utf8')

interface Block {
  readonly language: string
  readonly info: string
  readonly code: string
  /** The heading that it stands under. */
  readonly walk: string
}

function blocksOf(markdown: string): Block[] {
  const found: Block[] = []
  let walk = ''
  for (const [, heading, language = '', info = '', code = ''] of markdown.matchAll(
    /^## (.*)$|^```(\w+)(?: (.*))?\n([\s\S]*?)^```$/gm,
  )) {
    if (heading) walk = heading
    else found.push({ language, info: info.trim(), code, walk })
  }
  return found
}

/** The file that a block is, or changes: a module names it in its first line, a diff behind its language. */
function fileOf(language: string, info: string, code: string): string | undefined {
  return language === 'ts' ? /^\/\/ (src\/\S+)\n/.exec(code)?.[1] : /^file=(\S+)$/.exec(info)?.[1]
}

/** Applies the lines of a diff that stands without line numbers: each `+` goes where the line above it in the diff stands. */
function patched(text: string, diff: string): string {
  const lines = text.split('\n')
  let at = -1
  for (const line of diff.trimEnd().split('\n')) {
    const [sign, rest] = [line[0], line.slice(1)]
    if (sign === '+') {
      lines.splice(++at, 0, rest)
      continue
    }
    at = lines.indexOf(rest, at + 1)
    if (at < 0) throw new Error(`the page changes a line that is not there: ${rest}`)
    if (sign === '-') lines.splice(at--, 1)
  }
  return lines.join('\n')
}

describe('the walks of docs/extending.md', () => {
  const blocks = blocksOf(page)
  mkdirSync(join(root, 'out'), { recursive: true })
  const copy = mkdtempSync(join(root, 'out', 'extending-'))
  afterAll(() => rmSync(copy, { recursive: true, force: true }))

  beforeAll(() => {
    cpSync(join(root, 'src'), join(copy, 'src'), { recursive: true, filter: (path) => !path.endsWith('.test.ts') })
    cpSync(join(root, 'recipes', 'tiny'), join(copy, 'recipes', 'tiny'), { recursive: true })
    for (const file of ['package.json', 'tsconfig.json']) cpSync(join(root, file), join(copy, file))
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
    for (const { language, info, code } of blocks) {
      const file = fileOf(language, info, code)
      if (!file) continue
      const path = join(copy, file)
      writeFileSync(path, language === 'diff' ? patched(readFileSync(path, 'utf8'), code) : code)
    }
    const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
    const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.json'], { cwd: copy, encoding: 'utf8' })
    expect(stdout, 'what the compiler says of the sources with the changes of the page').toBe('')
    expect(status).toBe(0)
  }, 240_000)

  const expected: Readonly<Record<string, RegExp>> = {
    'An adapter': /^10 tensors of the adapter\n$/,
    'A projector': /^linear makes \d+ rows of an image\n$/,
    'A dataset format': /'user', 'Translate into French\.\\ncat'.*'assistant', 'chat'/s,
    'A benchmark': /Text Recognition {2}score {3}50\.0/,
  }
  const runs = blocks.filter(({ language, info }) => language === 'js' && info === 'run')

  it('has a run for each of the four kinds', () => {
    expect(runs.map(({ walk }) => walk)).toEqual(Object.keys(expected))
  })

  it.each(runs)('$walk: what the page runs prints what it says', ({ walk, code }) => {
    writeFileSync(join(copy, 'run.mjs'), code)
    const { stdout, stderr } = spawnSync(process.execPath, ['run.mjs'], { cwd: copy, encoding: 'utf8' })
    expect(stderr).toBe('')
    expect(stdout).toMatch(expected[walk] as RegExp)
  })

  it('adds one file and changes two lines for each', () => {
    for (const walk of Object.keys(expected)) {
      const own = blocks.filter((block) => block.walk === walk)
      expect(own.filter(({ language, info, code }) => language === 'ts' && fileOf(language, info, code))).toHaveLength(1)
      const diffs = own.filter(({ language }) => language === 'diff')
      expect(diffs).toHaveLength(1)
      expect(diffs[0]?.code.split('\n').filter((line) => line.startsWith('+'))).toHaveLength(2)
    }
  })
})
