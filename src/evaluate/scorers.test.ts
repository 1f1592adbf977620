import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { goldenFolders } from '../../tests/support/golden-folders.js'
import { firstBox, overlap } from '../data/box.js'
import type { ScorerName } from '../data/questions.js'
import { referenceChoice, referenceYesNo } from './reference-extraction.js'
import { isCorrect } from './scorers.js'

const cases: [ScorerName, string, string, boolean][] = [
  ['exact', ' The Red Square. ', 'red square', true],
  ['exact', '红色。', '红色', true],
  ['exact', 'ＡＢＣ１２', 'abc12', true],
  ['exact', '3 个', '3个', true],
  ['exact', '-1.5', '15', false],
  ['exact', '−1.5', '-1.5', true],
  ['exact', '1,234', '1234', true],
  ['exact', 'A', 'a', true],
  ['exact', 'A', 'the', false],
  ['exact', 'two', 'three', false],
  ['exact', '', 'x', false],
  ['contains', 'There are two red dogs.', 'Red Dogs', true],
  ['contains', 'I do not know', 'no', false],
  ['contains', 'It is 12', '2', false],
  ['contains', '图中有两只猫。', '两只猫', true],
  ['contains', 'It weighs 1.5 kg', '5', false],
  ['contains', 'It weighs 1.5 kg', '1.5', true],
  ['contains', 'It weighs 1.5kg', '1.5', true],
  ['contains', 'Version 1.2.3', '2', false],
  ['contains', '21.5 m', '1.5', false],
  ['contains', 'It is -5 degrees', '5', false],
  ['contains', 'It is -5 degrees', '-5', true],
  ['contains', 'from 3-5 people', '5', true],
  ['contains', 'exactly 5.0', '5', true],
  ['contains', '1,234 people', '1234', true],
  ['contains', 'the 5th of May', '5', false],
  ['contains', '图中有5个人', '5', true],
  ['choice', 'B', 'B', true],
  ['choice', '(b)', 'B', true],
  ['choice', 'B. a dog', 'B', true],
  ['choice', 'The answer is C.', 'C', true],
  ['choice', '答案是D', 'D', true],
  ['choice', 'A dog is on the left, so I say C', 'C', true],
  ['choice', 'a dog', 'A', false],
  ['choice', 'no idea', 'E', false],
  ['relaxed', '105', '100', true],
  ['relaxed', ' 105.2 ', '100', true],
  ['relaxed', '105.3', '100', false],
  ['relaxed', '95.2', '100', false],
  ['relaxed', '5', '5%', false],
  ['relaxed', '5.2%', '5%', true],
  ['relaxed', '0', '0', true],
  ['relaxed', '0.001', '0', false],
  ['relaxed', 'Germany.', 'germany', false],
  ['relaxed', 'GERMANY', 'germany', true],
  ['box', 'It is at [0.1, 0.1, 0.5, 0.5].', '[0.1, 0.1, 0.5, 0.5]', true],
  ['box', '0.1 0.1 0.5 0.31', '[0.1, 0.1, 0.5, 0.5]', true],
  ['box', '0.1 0.1 0.5 0.29', '[0.1, 0.1, 0.5, 0.5]', false],
  ['box', '［0.1，0.1，0.5，0.5］', '[0.1, 0.1, 0.5, 0.5]', true],
  ['box', 'nowhere', '[0.1, 0.1, 0.5, 0.5]', false],
]

describe('scorers', () => {
  it.each(cases)('%s: "%s" for "%s" is %s', (scorer, reply, answer, want) => {
    expect(isCorrect(scorer, reply, [answer])).toBe(want)
  })

  it('take the best of several answers', () => {
    expect(isCorrect('exact', 'cat', ['kitten', 'cat'])).toBe(true)
    expect(isCorrect('exact', 'dog', ['kitten', 'cat'])).toBe(false)
  })

  it('find the first box that is one, and measure overlap', () => {
    expect(firstBox('[3, 4, 5, 6] then ((.1,.2),(.3,.4))')).toEqual([0.1, 0.2, 0.3, 0.4])
    expect(firstBox('[0.5, 0.5, 0.2, 0.9]')).toBeUndefined()
    expect(overlap([0, 0, 0.5, 1], [0.25, 0, 0.75, 1])).toBeCloseTo(1 / 3, 12)
    expect(overlap([0, 0, 0.1, 0.1], [0.5, 0.5, 0.6, 0.6])).toBe(0)
  })
})

const read = (root: string, name: string) =>
  readdirSync(join(root, name)).map((file) => JSON.parse(readFileSync(join(root, name, file), 'utf8')))

describe.each(goldenFolders('scorers'))('the official extraction rules on %s', (root) => {
  it('give the ChartQA scores', () => {
    for (const { records, expected } of read(root, 'chartqa')) {
      for (const part of ['human', 'augmented']) {
        const rights = records[part].map(({ label, answer }: { label: string | string[]; answer: string }) =>
          isCorrect('relaxed', answer, [label].flat()),
        )
        expect(rights.filter(Boolean).length / rights.length).toBeCloseTo(expected[part], 9)
      }
    }
  })

  it('read the letters of SEED-Bench and AI2D', () => {
    for (const [name, letters] of [
      ['seed_image', 'A-D'],
      ['ai2d', 'A-Z'],
    ] as const) {
      for (const { records, expected } of read(root, name)) {
        const got = records.map(({ response }: { response: string }) => referenceChoice(response, letters))
        expect(got).toEqual(expected.extracted)
      }
    }
  })

  it('count yes and no of POPE', () => {
    for (const { records, expected } of read(root, 'pope')) {
      const counts = { tp: 0, fp: 0, tn: 0, fn: 0 }
      for (const { label, prediction } of records) {
        const yes = referenceYesNo(prediction) === 'yes'
        counts[label === 'yes' ? (yes ? 'tp' : 'fn') : yes ? 'fp' : 'tn']++
      }
      expect(expected.official).toMatchObject(counts)
    }
  })
})
