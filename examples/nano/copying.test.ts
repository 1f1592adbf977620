// Practice in copying needs no data package: an answer must stand in what comes before it.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { drawnCopying } from './copying.js'

const generator = drawnCopying({
  names: [
    { en: 'red apple', zh: '红苹果' },
    { en: 'dog', zh: '狗' },
    { en: 'fire engine', zh: '消防车' },
    { en: 'umbrella', zh: '雨伞' },
  ],
  countries: [
    { en: 'France', zh: '法国' },
    { en: 'China', zh: '中国' },
  ],
  english: ['house', 'lawn mower', 'guitar'],
  text: (rng) => rng.pick(['House', 'LAWN', '583', 'oak']),
})
const samples = Array.from({ length: 2000 }, (_, n) => generator.draw(1, n))
const all = samples.flatMap((sample) => sample.questions)
const isChinese = (text: string) => /[\u4e00-\u9fff]/.test(text)

describe('practice in copying', () => {
  it('has every answer in the description, the letters of spelled ones apart', () => {
    for (const { question, answer, spelled } of all) {
      const description = question.split('\n')[0]!
      expect(description).toContain(spelled ? [...answer].join(' ') : answer)
    }
  })

  it('asks about one fact only: a description never says two things of one name, nor one thing of two', () => {
    for (const { question, answer } of all) {
      const [description = '', ask = ''] = question.split('\n')
      const place = /^Where is the (.*)\?$/.exec(ask)?.[1]
      if (place === undefined) continue
      const told = description
        .replace(/^Picture: |\.$/g, '')
        .split(/(?<=\]), |(?<=\.) /)
        .filter((fact) => fact.includes(answer))
      expect(told).toHaveLength(1)
      expect(told[0]).toContain(place)
    }
  })

  it('practises both languages, names, places, numbers, colours and spelling', () => {
    expect(samples.every((sample) => sample.image === undefined && sample.questions.length === 4)).toBe(true)
    const share = (test: (q: (typeof all)[number]) => boolean) => all.filter(test).length / all.length
    expect(share((q) => isChinese(q.question.split('\n')[1]!))).toBeGreaterThan(0.4)
    expect(share((q) => !isChinese(q.question))).toBeGreaterThan(0.4)
    expect(share((q) => q.spelled === true)).toBeGreaterThan(0.08)
    expect(share((q) => /^\[\d\.\d\d(,\d\.\d\d){3}\]$/.test(q.answer))).toBeGreaterThan(0.05)
    expect(share((q) => /^\d+$/.test(q.answer))).toBeGreaterThan(0.2)
    expect(share((q) => /^(red|blue|green|white|黑色|红色)$/.test(q.answer))).toBeGreaterThan(0.02)
    expect(share((q) => !q.spelled && !/\d/.test(q.answer))).toBeGreaterThan(0.25)
  })

  it('is a pure function of seed and number', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (seed, number) => {
        expect(generator.draw(seed, number)).toEqual(generator.draw(seed, number))
      }),
    )
    expect(generator.draw(1, 0)).not.toEqual(generator.draw(2, 0))
    expect(generator.draw(1, 0)).not.toEqual(generator.draw(1, 1))
  })
})
