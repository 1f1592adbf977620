/** docs/architecture.md says that imports point one way; this holds the folders of src to it. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const src = join(import.meta.dirname, '..', 'src')

/** What each folder may import besides itself. A folder stands below those that name it. */
const below: Readonly<Record<string, readonly string[]>> = {
  common: [],
  engine: ['common'],
  image: ['common'],
  text: ['common'],
  checkpoint: ['common'],
  model: ['common', 'engine', 'image', 'text', 'checkpoint'],
  inference: ['common', 'engine', 'image', 'text', 'checkpoint', 'model'],
  generate: ['common', 'text', 'inference'],
  // divergence.ts runs a model to see what its rounding changes.
  quantize: ['common', 'engine', 'text', 'checkpoint', 'model', 'inference', 'generate'],
  chat: ['common', 'image', 'text', 'model', 'inference', 'generate'],
  data: ['common', 'image', 'text'],
  train: ['common', 'engine', 'image', 'text', 'checkpoint', 'model', 'data'],
  evaluate: ['common', 'data', 'inference', 'chat'],
  library: ['common', 'image'],
  server: ['common', 'engine', 'image', 'text', 'model', 'inference', 'generate', 'chat', 'compose'],
  compose: ['common', 'image', 'text', 'inference', 'chat', 'library'],
}
/** Entry points: they may import everything. */
const top = ['verify', 'cli']

function imports(file: string): string[] {
  const text = readFileSync(file, 'utf8')
  return [...text.matchAll(/from '(\.[^']*)'|import\('(\.[^']*)'\)/g)].map(([, a, b]) =>
    relative(src, resolve(join(file, '..'), (a ?? b) as string)),
  )
}

describe('imports of src', () => {
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && file.includes('/'))

  it('have no folder that this test does not know', () => {
    expect([...new Set(files.map((file) => file.split('/')[0]))].sort()).toEqual([...Object.keys(below), ...top].sort())
  })

  it('point one way', () => {
    const wrong = files.flatMap((file) => {
      const folder = file.split('/')[0] as string
      const allowed = below[folder]
      if (!allowed) return []
      return imports(join(src, file))
        .filter((target) => target.includes('/') && ![folder, ...allowed].includes(target.split('/')[0] as string))
        .map((target) => `${file} imports ${target}`)
    })
    expect(wrong).toEqual([])
  })

  it('only the engine reaches native code', () => {
    const native = files.filter((file) => /from '(koffi|onnxruntime-node)/.test(readFileSync(join(src, file), 'utf8')))
    expect(native.every((file) => file.startsWith('engine/'))).toBe(true)
  })
})
