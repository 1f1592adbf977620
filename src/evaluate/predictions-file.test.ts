/** Replies on disk: nothing is lost, and runs that differ do not mix. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import type { Question } from '../data/questions.js'
import { modelFingerprint, PredictionsFile, questionsFingerprint, type RunIdentity } from './predictions-file.js'

const dir = mkdtempSync(join(tmpdir(), 'predictions-'))
const file = join(dir, 'replies.jsonl')
afterAll(() => rmSync(dir, { recursive: true }))

const questions = Array.from({ length: 6 }, (_, i): Question => {
  return { id: `${i}`, task: 't', images: [], question: '?', answers: ['x'], scorer: 'exact' }
})
const identity: RunIdentity = { questions: 'q', model: 'm', options: { beams: 1 } }
const prediction = (id: number, reply: string) => ({ id: `${id}`, task: 't', reply, correct: false })

function begin(): void {
  rmSync(`${file}.run.json`, { force: true })
  const first = PredictionsFile.open(file, identity, questions)
  first.add(prediction(0, 'a\nb'))
  first.add(prediction(1, '狗'))
  first.close()
}

it('cut anywhere, the file goes on after its last whole reply', () => {
  begin()
  const bytes = readFileSync(file)
  const ends = [...bytes.keys()].filter((i) => bytes[i] === 0x0a)
  fc.assert(
    fc.property(fc.nat(bytes.length), (length) => {
      writeFileSync(file, bytes.subarray(0, length))
      const again = PredictionsFile.open(file, identity, questions)
      const whole = ends.filter((end) => end < length).length
      expect([...again.replies]).toEqual(
        [
          ['0', 'a\nb'],
          ['1', '狗'],
        ].slice(0, whole),
      )
      for (const [id, reply] of [
        [0, 'a\nb'],
        [1, '狗'],
      ].slice(whole) as [number, string][])
        again.add(prediction(id, reply))
      again.close()
      expect(readFileSync(file)).toEqual(bytes)
    }),
  )
})

it('a finished file stands for itself: the next run begins anew', () => {
  begin()
  const again = PredictionsFile.open(file, identity, questions)
  again.finish()
  again.close()
  expect(existsSync(`${file}.run.json`)).toBe(false)
  const next = PredictionsFile.open(file, { ...identity, model: 'other' }, questions)
  expect([next.replies.size, readFileSync(file, 'utf8')]).toEqual([0, ''])
  next.close()
})

describe('an unfinished run is not mixed with', () => {
  it.each<[string, RunIdentity, RegExp]>([
    ['other questions', { ...identity, questions: 'z' }, /run with other questions; finish/],
    ['another model', { ...identity, model: 'z' }, /run with another model; finish/],
    [
      'other options',
      { ...identity, options: { beams: 2, baseline: 'text-only' } },
      /beams 1 instead of 2, baseline left out instead of/,
    ],
  ])('%s', (_, other, message) => {
    begin()
    const before = readFileSync(file)
    expect(() => PredictionsFile.open(file, other, questions)).toThrow(message)
    expect(readFileSync(file)).toEqual(before)
  })

  it('lines of something else', () => {
    begin()
    writeFileSync(file, '{"id":"0","reply":"a"}\n{"id":"77","reply":"a"}\n')
    expect(() => PredictionsFile.open(file, identity, questions)).toThrow(/replies\.jsonl:2: no reply of this run/)
  })
})

it('fingerprints see questions, sizes of images and what a model is made of, not where they lie', () => {
  const image = join(dir, 'a.png')
  writeFileSync(image, 'x')
  const [first] = questions as [Question]
  const print = (more: Partial<Question>, root = dir) => questionsFingerprint([{ ...first, ...more }], root)
  const prints = [print({}), print({ answers: ['y'] }), print({ images: [image] })]
  writeFileSync(image, 'xy')
  expect(new Set([...prints, print({ images: [image] })]).size).toBe(4)
  const model = mkdtempSync(join(dir, 'model-'))
  const copy = mkdtempSync(join(dir, 'model-'))
  for (const at of [model, copy]) writeFileSync(join(at, 'config.json'), '{}')
  expect(modelFingerprint(copy)).toBe(modelFingerprint(model))
  writeFileSync(join(copy, 'config.json'), '[]')
  expect(modelFingerprint(copy)).not.toBe(modelFingerprint(model))
})
