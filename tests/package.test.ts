/**
 * As a dependency: the package is packed, installed in an empty folder without running anyone's install scripts, and used as the README
 * says. Needs the registry, or npm's cache, for what it depends on.
 */
import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { codeBlocks } from './support/code-examples.js'
import { runsSlow, SLOW } from './support/slow.js'

const root = join(import.meta.dirname, '..')
const { npmScript } = (await import(pathToFileURL(join(root, 'scripts', 'setup.mjs')).href)) as {
  npmScript(): string | undefined
}
const npm = npmScript()
/** Bytes that a download may have: the model is nearly all of it. */
const LARGEST = 8_000_000

let dir = ''
afterAll(() => dir && rmSync(dir, { recursive: true }))

function run(script: string, args: readonly string[], cwd: string) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], { cwd, encoding: 'utf8', maxBuffer: 1e8 })
  return { status, stdout, stderr }
}

describe.skipIf(npm === undefined || !existsSync(join(root, 'dist', 'src', 'index.js')))(
  'the package (npm and dist/ are needed)',
  () => {
    let packed: { filename: string; size: number; files: { path: string }[] }
    beforeAll(() => {
      dir = mkdtempSync(join(tmpdir(), 'xcomposer-package-'))
      const { stdout } = run(npm as string, ['pack', '--ignore-scripts', '--json', '--pack-destination', dir], root)
      packed = JSON.parse(stdout)[0]
    })

    it('holds what it needs and what its README points to, and no tests', () => {
      const paths = packed.files.map(({ path }) => path)
      expect(packed.size).toBeLessThan(LARGEST)
      expect(paths.filter((path) => /\.test\.|\.map$|fake-io|node_modules|^tests\/|^out\//.test(path))).toEqual([])
      const { exports, bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
        exports: Record<string, string | Record<string, string>>
        bin: Record<string, string>
      }
      const entries = Object.values(exports).flatMap((entry) => (typeof entry === 'string' ? [entry] : Object.values(entry)))
      for (const entry of [...entries, ...Object.values(bin)]) expect(paths).toContain(entry.replace(/^\.\//, ''))
      for (const page of paths.filter((path) => path.endsWith('.md') && !path.startsWith('examples/'))) {
        for (const [, link = ''] of readFileSync(join(root, page), 'utf8').matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
          if (/^[a-z]+:/.test(link)) continue
          const target = join(dirname(page), link).replaceAll('\\', '/').replace(/\/$/, '')
          const there = paths.some((path) => path === target || path.startsWith(`${target}/`))
          expect(there, `${page} points to ${link}`).toBe(true)
        }
      }
    })

    describe.skipIf(!runsSlow)(`installed in an empty folder${runsSlow ? '' : ` (${SLOW})`}`, () => {
      let problem: string | undefined
      beforeAll(() => {
        writeFileSync(join(dir, 'package.json'), '{"name":"user","private":true,"type":"module"}')
        const flags = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error']
        const { status, stderr } = run(npm as string, ['install', ...flags, join(dir, packed.filename)], dir)
        const unreachable = /E(NOTFOUND|AI_AGAIN|CONNREFUSED|TIMEDOUT|NETUNREACH)|ENOTCACHED/.exec(stderr)?.[0]
        if (unreachable !== undefined) problem = `the npm registry cannot be reached (${unreachable})`
        else expect([status, stderr]).toEqual([0, ''])
        // The compiler and Node's types are the user's own; here they are those of the repository.
        const types = join(dir, 'node_modules', '@types')
        mkdirSync(types, { recursive: true })
        symlinkSync(join(root, 'node_modules', '@types', 'node'), join(types, 'node'), 'junction')
      })

      /** Compiles a program strictly, the library's own declarations included, and runs it. */
      const compiledAndRun = (name: string, code: string): string => {
        writeFileSync(join(dir, `${name}.ts`), code)
        const strict = ['--strict', '--skipLibCheck', 'false', '--target', 'es2022', '--module', 'nodenext', '--types', 'node']
        const compiled = run(join(root, 'node_modules', 'typescript', 'bin', 'tsc'), [...strict, `${name}.ts`], dir)
        expect([compiled.status, compiled.stdout]).toEqual([0, ''])
        const { status, stdout, stderr } = run(`${name}.js`, [], dir)
        expect([status, stderr]).toEqual([0, ''])
        return stdout
      }

      it('answers without a path to a model, and has its sub-paths', ({ skip }) => {
        if (problem !== undefined) skip(problem)
        const said = compiledAndRun(
          'paths',
          `import { XComposer } from 'xcomposer'
import { openModelDirectory, type ModelDirectory } from 'xcomposer/checkpoint'
import { Graph } from 'xcomposer/engine'
import { loadRecipe, type TrainOptions } from 'xcomposer/train'
const model = await XComposer.load()
const opened: ModelDirectory = openModelDirectory('node_modules/xcomposer/models/nano')
const options: TrainOptions | undefined = undefined
console.log(model.name, opened.tensors.size > 0, typeof Graph, typeof loadRecipe, options)
model.dispose()
`,
        )
        expect(said).toBe('nano true function function undefined\n')
      })

      it("runs the README's example as it is written", ({ skip }) => {
        if (problem !== undefined) skip(problem)
        const example = codeBlocks(root, 'README.md').find(({ code }) => code.includes("from 'xcomposer'"))?.code ?? ''
        const library = join(root, 'examples', 'library')
        const picture = join(library, readdirSync(library).find((name) => name.endsWith('.webp')) ?? '')
        for (const [, file = ''] of example.matchAll(/'([\w-]+\.(?:png|jpg|webp))'/g)) copyFileSync(picture, join(dir, file))
        expect(compiledAndRun('readme', example).trim().length).toBeGreaterThan(0)
      })

      it('has its command', ({ skip }) => {
        if (problem !== undefined) skip(problem)
        const bin = join(dir, 'node_modules', '.bin', 'xcomposer')
        expect(statSync(bin).isFile()).toBe(true)
        const command = join(dir, 'node_modules', 'xcomposer', 'bin', 'xcomposer.js')
        const { stdout, stderr } = run(command, ['chat', 'What is the capital of France?'], dir)
        expect([stdout, stderr]).toEqual([
          run(join(root, 'bin', 'xcomposer.js'), ['chat', 'What is the capital of France?'], root).stdout,
          '',
        ])
      })
    })
  },
)
