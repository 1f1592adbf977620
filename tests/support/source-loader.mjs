/**
 * Lets a child process of a test run the TypeScript sources: node --import tests/support/source-loader.mjs FILE.ts
 * What was compiled is kept in out/sources by its content, since compiling takes longer than most of these processes live.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { register } from 'node:module'
import { fileURLToPath } from 'node:url'
import { isMainThread } from 'node:worker_threads'

if (isMainThread) register(import.meta.url)

const kept = new URL('../../out/sources/', import.meta.url)

export async function resolve(specifier, context, next) {
  if (/^\.{1,2}\/.*\.js$/.test(specifier) && context.parentURL) {
    const source = new URL(specifier.replace(/\.js$/, '.ts'), context.parentURL)
    if (existsSync(source)) return { url: source.href, format: 'module', shortCircuit: true }
  }
  return next(specifier, context)
}

export async function load(url, context, next) {
  if (!url.endsWith('.ts')) return next(url, context)
  return { format: 'module', source: await compiled(readFileSync(fileURLToPath(url), 'utf8')), shortCircuit: true }
}

async function compiled(text) {
  const file = new URL(`${createHash('sha256').update(text).digest('hex')}.js`, kept)
  if (existsSync(file)) return readFileSync(file, 'utf8')
  const { default: ts } = await import('typescript')
  const options = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true }
  const { outputText } = ts.transpileModule(text, { compilerOptions: options })
  mkdirSync(kept, { recursive: true })
  // Several processes may compile the same file.
  const temporary = new URL(`${file.href}.${process.pid}.tmp`)
  writeFileSync(temporary, outputText)
  renameSync(temporary, file)
  return outputText
}
