import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { InputError } from '../common/errors.js'
import { type Question, readQuestions } from '../data/questions.js'
import { majorityAnswer } from './baselines.js'
import { evaluate } from './evaluate.js'
import { wilson } from './metrics/wilson.js'
import { report, reportTable } from './report.js'

let root = ''
let file = ''
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'questions-'))
  mkdirSync(join(root, 'set/images'), { recursive: true })
  file = join(root, 'set/QUESTIONS.jsonl')
  writeFileSync(join(root, 'set/images/a.png'), 'x')
  writeFileSync(join(root, 'secret.png'), 'x')
  symlinkSync(join(root, 'secret.png'), join(root, 'set/images/link.png'))
})
afterAll(() => rmSync(root, { recursive: true }))

const good = { id: 'q1', task: 'count', images: ['images/a.png'], question: 'How many?', answers: ['2'], scorer: 'exact' }
const write = (...lines: unknown[]) =>
  writeFileSync(file, lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'))

describe('a question file', () => {
  it('is read with blank lines, CRLF and a byte order mark', () => {
    write(`\uFEFF${JSON.stringify(good)}\r`, '', { ...good, id: 'q2', answers: [3, [0.1, 0.2, 0.3, 0.4]], images: [] })
    const [first, second] = readQuestions(file)
    expect(first?.images).toEqual([join(root, 'set/images/a.png')])
    expect(second?.answers).toEqual(['3', '[0.1, 0.2, 0.3, 0.4]'])
  })

  it.each([
    ['broken JSON', '{"id":', /:2: expected a JSON record/],
    ['a missing field', { ...good, id: 'x', task: undefined }, /:2: task/],
    ['an unknown field', { ...good, id: 'x', answer: 'y' }, /:2: .*answer/],
    ['an unknown scorer', { ...good, id: 'x', scorer: 'vibes' }, /:2: scorer/],
    ['no answers', { ...good, id: 'x', answers: [] }, /:2: answers/],
    ['an id twice', good, /:2: id: "q1" already stands in line 1/],
    ['an absolute image', { ...good, id: 'x', images: ['/etc/passwd'] }, /:2: images: "\/etc\/passwd" lies outside/],
    ['a missing image', { ...good, id: 'x', images: ['images/b.png'] }, /:2: images: "images\/b.png" not found/],
    ['an image outside', { ...good, id: 'x', images: ['../secret.png'] }, /:2: images: "..\/secret.png" lies outside/],
    ['a link to the outside', { ...good, id: 'x', images: ['images/link.png'] }, /:2: images: "images\/link.png" is a link out/],
    ['a folder as image', { ...good, id: 'x', images: ['images'] }, /:2: images: "images" is not a regular file/],
    ['a NUL in an image', { ...good, id: 'x', images: ['a\0b'] }, /:2: images: .* is not a path/],
    [
      'a box without an area',
      { ...good, id: 'x', scorer: 'box', answers: [[0.5, 0.5, 0.5, 0.9]] },
      /:2: answers: "\[0.5, 0.5, 0.5, 0.9\]"/,
    ],
  ])('with %s is refused with its line', (_, line, message) => {
    write(good, line)
    expect(() => readQuestions(file)).toThrow(InputError)
    expect(() => readQuestions(file)).toThrow(message)
  })

  it('that is empty, missing or no text is refused', () => {
    write('')
    expect(() => readQuestions(file)).toThrow(/no questions/)
    expect(() => readQuestions(join(root, 'none.jsonl'))).toThrow(InputError)
    writeFileSync(file, Buffer.of(0xff, 0xfe, 0x00))
    expect(() => readQuestions(file)).toThrow(/UTF-8/)
  })
})

describe('the interval', () => {
  it.each([
    // Newcombe (1998), Statistics in Medicine 17, table I, method 3.
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ])('of %d in %d is the published one', (right, n, low, high) => {
    expect(wilson(right, n).low).toBeCloseTo(low, 4)
    expect(wilson(right, n).high).toBeCloseTo(high, 4)
    expect(wilson(n - right, n).low).toBeCloseTo(1 - high, 4)
  })

  it('of nothing is everything', () => expect(wilson(0, 0)).toEqual({ low: 0, high: 1 }))
})

const question = (id: string, task: string, answer: string): Question => ({
  id,
  task,
  images: [],
  question: '?',
  answers: [answer],
  scorer: 'exact',
})
const questions = [
  question('1', 'count', '2'),
  question('2', 'count', '3'),
  question('3', 'count', '2'),
  question('4', 'color', 'red'),
]

describe('evaluation', () => {
  it('scores each reply and reports per task and overall', async () => {
    const seen: string[] = []
    const onProgress = (done: number, total: number) => seen.push(`${done}/${total}`)
    const { report, predictions } = await evaluate(questions, async ({ id }) => (id === '4' ? 'Red.' : '2'), { onProgress })
    expect(predictions.map(({ correct }) => correct)).toEqual([true, false, true, true])
    expect(report.overall).toMatchObject({ score: 0.75, n: 4 })
    expect(report.tasks.count).toEqual({ score: 2 / 3, n: 3, ...wilson(2, 3) })
    expect(seen).toEqual(['1/4', '2/4', '3/4', '4/4'])
    expect(reportTable(report)).toBe(
      [
        'task     score %  95 % interval  n',
        'count       66.7      20.8-93.9  3',
        'color      100.0     20.7-100.0  1',
        'overall     75.0      30.1-95.4  4',
        '',
      ].join('\n'),
    )
  })

  it('in batches asks the same questions in the same order', async () => {
    const batches: string[][] = []
    const answer = async (asked: readonly Question[]) => {
      batches.push(asked.map(({ id }) => id))
      return asked.map(({ id }) => (id === '4' ? 'red' : '2'))
    }
    const seen: string[] = []
    const onProgress = (done: number, total: number) => seen.push(`${done}/${total}`)
    const { predictions } = await evaluate(questions, { size: 3, answer }, { onProgress })
    expect(batches).toEqual([['1', '2', '3'], ['4']])
    expect(predictions.map(({ correct }) => correct)).toEqual([true, false, true, true])
    expect(seen).toEqual(['1/4', '2/4', '3/4', '4/4'])
    await expect(evaluate(questions, { size: 0, answer })).rejects.toThrow(InputError)
  })

  it('with a limit asks questions of every task', async () => {
    const { predictions } = await evaluate(questions, async () => '', { limit: 2 })
    expect(predictions.map(({ id }) => id)).toEqual(['1', '4'])
    await expect(evaluate(questions, async () => '', { limit: 0 })).rejects.toThrow(InputError)
  })

  it('ends with the error of an answer, instead of a score', async () => {
    await expect(evaluate(questions, () => Promise.reject(new Error('out of memory')))).rejects.toThrow('out of memory')
  })

  it('of the majority answer gives the share of that answer', async () => {
    const { report } = await evaluate(questions, majorityAnswer(questions))
    expect(report.tasks.count?.score).toBeCloseTo(2 / 3, 12)
    expect(report.tasks.color?.score).toBe(1)
  })

  it('of nothing is a score of nothing', () => expect(report([]).overall).toEqual({ score: 0, n: 0, low: 0, high: 1 }))
})
