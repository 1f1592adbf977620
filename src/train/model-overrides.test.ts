/** Another adapter or projector than the model has: what changed starts anew, the rest is that of the model to the bit. */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { smallConfig, writeRandomModel } from '../../tests/support/random-model.js'
import { InputError } from '../common/errors.js'
import { parseModelConfig } from '../model/config.js'
import { fillFresh } from '../model/initial-values.js'
import { openModel, readParameter } from '../model/open-checkpoint.js'
import type { ModelOverrides } from './model-overrides.js'
import { describeRecipe, loadRecipe, type Recipe } from './recipe.js'
import { startingPoint } from './starting-point.js'

const dir = writeRandomModel(smallConfig)
const model = openModel(dir)
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const start = (overrides: ModelOverrides) =>
  startingPoint({ file: 'r.yaml', start: { from: dir }, tokenizer: 'tokenizer.model', model: overrides } as unknown as Recipe)

const cases: [string, ModelOverrides, string[]][] = [
  ['another adapter', { adapter: { type: 'lora', rank: 4 } }, ['adapter']],
  ['another rank', { adapter: { type: 'plora', rank: 4 } }, ['adapter']],
  ['an expert', { adapter: { type: 'expert' } }, ['adapter']],
  ['no adapter', { adapter: { type: 'none' } }, ['adapter']],
  ['another projector', { projector: { type: 'q-former', queries: 3, layers: 1, heads: 2 } }, ['projector']],
  ['both', { adapter: { type: 'none' }, projector: { type: 'merge-2x2' } }, ['adapter', 'projector']],
  ['what it has already', { adapter: { type: 'plora', rank: 8 }, projector: { type: 'mlp' } }, []],
]

describe('model: of a recipe', () => {
  it.each(cases)('with %s takes all other tensors over, and names what starts anew', (_, overrides, changed) => {
    const { specs, initial, notices, config, configJson } = start(overrides)
    for (const { name, part } of specs) {
      const kept = changed.includes(part) ? undefined : readParameter(model, name)
      expect(initial.get(name), name).toEqual(kept)
    }
    expect(notices.map((line) => /^model: (\w+) /.exec(line)?.[1])).toEqual(changed)
    expect(parseModelConfig(configJson, 'config.json')).toEqual(config)
  })

  it('with an expert starts with the values of the base layers', () => {
    const { specs, initial, notices } = start({ adapter: { type: 'expert' } })
    fillFresh(initial, specs, 1, 'zero_b')
    const experts = specs.filter(({ part }) => part === 'adapter')
    expect(experts.length).toBeGreaterThan(0)
    for (const { name, startsAs = '' } of experts) expect(initial.get(name), name).toEqual(readParameter(model, startsAs))
    expect(notices.join()).toContain("start with the base layers' values")
  })

  it.each<[ModelOverrides, string]>([
    [{ adapter: { type: 'lora' } }, 'r.yaml: model: field "adapter.rank"'],
    [{ projector: { type: 'avg-pool', tokens: 7 } }, 'r.yaml: model: projector avg-pool: tokens: got 7'],
  ])('%j is refused by its field', (overrides, text) => {
    expect(() => start(overrides)).toThrow(InputError)
    expect(() => start(overrides)).toThrow(text)
  })

  it('is read from YAML and printed', () => {
    for (const file of ['data.json', 'tokenizer.model']) writeFileSync(join(dir, file), '')
    const recipe = join(dir, 'recipe.yaml')
    const lines = [
      'stage: sft',
      'from: .',
      'out: o',
      'data: [{ file: data.json }]',
      'batch_size: 1',
      'max_length: 64',
      'steps: 1',
    ]
    writeFileSync(recipe, [...lines, 'learning_rate: 0.001', 'model: { adapter: { type: lora, rank: 4 } }', ''].join('\n'))
    expect(loadRecipe(recipe).model).toEqual({ adapter: { type: 'lora', rank: 4 } })
    expect(describeRecipe(loadRecipe(recipe))).toMatch(/^adapter +lora, rank 4$/m)
  })
})
