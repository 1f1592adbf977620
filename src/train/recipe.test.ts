import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { InputError } from '../common/errors.js'
import { describeRecipe, loadRecipe } from './recipe.js'

let dir = ''
let file = ''
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'recipe-'))
  file = join(dir, 'recipe.yaml')
  mkdirSync(join(dir, 'model'))
  for (const name of ['config.json', 'tokenizer.model', 'a.json']) writeFileSync(join(dir, name), '')
})
afterAll(() => rmSync(dir, { recursive: true }))

const BASE = [
  'stage: sft',
  'from: model',
  'out: runs/out',
  'data:',
  '  - file: a.json',
  'batch_size: 8',
  'max_length: 256',
  'steps: 250',
  'learning_rate: 5e-5',
]

const load = (...lines: string[]) => {
  writeFileSync(file, lines.join('\n'))
  return loadRecipe(file)
}
/** The base recipe with the line that starts like `line` replaced, or `line` added at the end. */
const withLine = (line: string) => {
  const field = line.split(':')[0]
  return BASE.some((l) => l.startsWith(`${field}:`)) ? BASE.map((l) => (l.startsWith(`${field}:`) ? line : l)) : [...BASE, line]
}

describe('a recipe', () => {
  it('gets every value it leaves out, and absolute paths', () => {
    expect(load(...BASE)).toMatchObject({
      stage: 'sft',
      start: { from: join(dir, 'model') },
      out: join(dir, 'runs/out'),
      data: [{ file: join(dir, 'a.json'), weight: 1, augment: 'none' }],
      learningRate: 5e-5,
      warmupSteps: 3,
      weightDecay: 0.1,
      betas: [0.9, 0.95],
      eps: 1e-8,
      clip: 1,
      vitLayerDecay: 0.9,
      decoderLrFactor: 0.2,
      ploraInit: 'zero_b',
      freeze: [],
      train: ['vision', 'projector', 'adapter', 'decoder'],
      checkpointEvery: 25,
      accumulate: 1,
      dtype: 'f32',
    })
  })

  it.each([
    ['language', ['decoder']],
    ['vision', ['vision']],
    ['align', ['vision', 'projector']],
    ['pretrain', ['vision', 'projector', 'adapter']],
    ['sft', ['vision', 'projector', 'adapter', 'decoder']],
  ])('of stage %s trains %j', (stage, train) => {
    expect(load(...withLine(`stage: ${stage}`)).train).toEqual(train)
  })

  it('may say what is frozen, and may start from a config', () => {
    const recipe = load(
      ...withLine('from: model').filter((line) => line !== 'from: model'),
      'init: {config: config.json}',
      'tokenizer: tokenizer.model',
      'freeze: [plora]',
    )
    expect(recipe.start).toEqual({ config: join(dir, 'config.json') })
    expect(recipe.tokenizer).toBe(join(dir, 'tokenizer.model'))
    expect(recipe.freeze).toEqual(['adapter'])
  })

  it('names an optimiser, whose own fields have defaults', () => {
    const without = BASE.filter((line) => !line.startsWith('learning_rate'))
    expect(load(...BASE).optimizer).toEqual({ type: 'adamw' })
    const muon = { type: 'muon', learning_rate: 0.02, momentum: 0.95, weight_decay: 0.05 }
    expect(load(...without, 'optimizer: muon')).toMatchObject({ optimizer: muon, learningRate: 2e-3 })
    expect(load(...BASE, 'optimizer: { type: muon, momentum: 0.9 }')).toMatchObject({
      optimizer: { ...muon, momentum: 0.9 },
      learningRate: 5e-5,
    })
    expect(describeRecipe(load(...BASE, 'optimizer: muon'))).toContain('Muon, rate 0.02, momentum 0.95')
    expect(() => load(...without)).toThrow(/learning_rate: expected/)
  })

  it('may say what format its data have, where their images are, and that bad ones are left out', () => {
    const [file] = [join(dir, 'a.json')]
    const lines = BASE.map((line) => (line.includes('file:') ? `${line}\n    format: llava\n    image_folder: model` : line))
    const recipe = load(...lines, 'skip_bad: true')
    expect(recipe.data).toEqual([{ file, weight: 1, augment: 'none', format: 'llava', imageFolder: join(dir, 'model') }])
    expect(recipe.skipBad).toBe(true)
    expect(describeRecipe(recipe)).toMatch(/format llava, images in .*model\nbad images +their records are left out/)
    // Defaults add nothing: states of recipes without these fields still belong to them.
    expect(load(...BASE)).not.toHaveProperty('skipBad')
    expect(Object.keys(load(...BASE).data[0] ?? {})).toEqual(['file', 'weight', 'augment'])
    const wrong = BASE.map((line) => (line.includes('file:') ? `${line}\n    image_folder: none` : line))
    expect(() => load(...wrong)).toThrow(/:6: data\[0\]\.image_folder: no directory "none"/)
  })

  it('prints the derived values', () => {
    const text = describeRecipe(load(...BASE, 'accumulate: 4', 'text_share: 0.1'))
    for (const part of [
      'samples per step     32 (batch 8 x accumulate 4)',
      'warm-up 3 steps',
      '8000 samples in all',
      'text share           0.1',
    ]) {
      expect(text).toContain(part)
    }
  })

  it.each([
    ['stage: dance', ':1: stage: '],
    ['from: nowhere', ':2: from: no directory "nowhere"'],
    ['batch_size: 0', ':6: batch_size: '],
    ['batch_size: "8"', ':6: batch_size: expected a whole number'],
    ['batch_size: 1.5', ':6: batch_size: '],
    ['steps: .nan', ':8: steps: '],
    ['learning_rate: -1', ':9: learning_rate: '],
    ['warmup_ratio: 2', ':10: warmup_ratio: '],
    ['betas: [0.9, 1]', ':10: betas[1]: '],
    ['optimizer: lion', ':10: optimizer.type: '],
    ['optimizer: { type: muon, momentum: 1 }', ':10: optimizer.momentum: '],
    ['optimizer: { type: adamw, momentum: 0.9 }', ':10: optimizer.momentum: unknown field'],
    ['betas: [0.9]', ':10: betas'],
    ['freeze: [head]', ':10: freeze[0]: '],
    ['freeze: [vision, projector, plora, decoder]', ':10: freeze: every part is frozen'],
    ['init: {config: config.json}', ':10: init: expected either from'],
    ['lerning_rate: 1', ':10: lerning_rate: unknown field; did you mean learning_rate?'],
    ['__proto__: {a: 1}', ':10: '],
    ['steps: 3\nsteps: 4', ':9: expected YAML: Map keys must be unique'],
    ['seed: !!js/function "x"', ':10: expected YAML: Unresolved tag'],
    ['tokenizer: [', ':10: expected YAML: '],
  ])('with `%s` is refused with its line and field', (line, message) => {
    expect(() => load(...withLine(line))).toThrow(InputError)
    expect(() => load(...withLine(line))).toThrow(`${file}${message}`)
  })

  it('names the line inside the data list, and the parent of what is missing', () => {
    const data = (...lines: string[]) => load(...BASE.slice(0, 5), ...lines, ...BASE.slice(5))
    expect(() => data('  - file: b.json')).toThrow(`${file}:6: data[1].file: no file "b.json"`)
    expect(() => data('  - file: a.json', '    wieght: 2')).toThrow(
      `${file}:7: data[1].wieght: unknown field; did you mean weight?`,
    )
    expect(() => data('  - weight: 2')).toThrow(`${file}:6: data[1].file: `)
    expect(() => load(...BASE.filter((line) => !line.startsWith('steps')))).toThrow(`${file}:1: steps: `)
    expect(() => load('init: {config: config.json}', ...BASE.filter((line) => !line.startsWith('from')))).toThrow(
      /tokenizer: expected a path/,
    )
  })

  it('that is no mapping, endless or missing is refused', () => {
    for (const text of ['', '- a', 'just text', '['.repeat(20_000)]) expect(() => load(text)).toThrow(InputError)
    const bomb = [
      'a: &a [x, x, x, x, x, x, x, x, x, x]',
      ...['b', 'c', 'd', 'e'].map((n, i) => `${n}: &${n} [${Array(10).fill(`*${'abcd'[i]}`)}]`),
    ]
    expect(() => load(...bomb)).toThrow(InputError)
    expect(() => loadRecipe(join(dir, 'none.yaml'))).toThrow(/no such recipe/)
  })
})
