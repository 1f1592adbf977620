import { describe, expect, it } from 'vitest'
import { readArgs } from '../src/cli/command.js'
import { modelOf, placeless } from './benchmark.js'
import { benchmarks } from './benchmarks.js'

describe.each(Object.entries(benchmarks))('bench -- %s', (name, { options, help, programs = [] }) => {
  it('explains each of its options, and no other', () => {
    const named = [...help.matchAll(/(?<![\w-])--([a-z][a-z-]*)/g)].map(([, option]) => option)
    expect(named.sort()).toEqual(Object.keys(options).sort())
    for (const option of programs) expect(options[option]?.type).toBe('string')
  })

  it('refuses options of others', () => {
    expect(() => readArgs({ name, options }, ['--nonsense'], 'bench --')).toThrow(
      `${name}: unknown option --nonsense; see bench --`,
    )
  })
})

it('names a model without where it lies on this machine', () => {
  const args = (...argv: string[]) => readArgs({ name: 'x', options: { model: { type: 'string' } } }, argv)
  expect(modelOf(args())).toEqual({ model: 'models/nano', modelName: 'models/nano' })
  expect(modelOf(args('--model', '/somewhere/vl-7b'))).toEqual({ model: '/somewhere/vl-7b', modelName: 'vl-7b' })
  expect(placeless('out/x')).toBe('out/x')
})
