import { describe, expect, it } from 'vitest'
import { InputError } from '../common/errors.js'
import type { Question } from '../data/questions.js'
import { majorityAnswer } from './baselines.js'
import { evaluate } from './evaluate.js'
import { wilson } from './metrics/wilson.js'
import { report, reportTable } from './report.js'

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

  it('asks only what has no reply yet, and scores all in the order of the questions', async () => {
    const asked: string[] = []
    const answer = async ({ id }: Question) => {
      asked.push(id)
      return '2'
    }
    const seen: string[] = []
    const onProgress = (done: number, total: number, { id }: { id: string }) => seen.push(`${done}/${total} ${id}`)
    const replies = new Map([
      ['4', 'red'],
      ['2', '2'],
    ])
    const whole = await evaluate(questions, async ({ id }) => (id === '4' ? 'red' : '2'))
    expect(await evaluate(questions, answer, { replies, onProgress })).toEqual(whole)
    expect([asked, seen]).toEqual([
      ['1', '3'],
      ['3/4 1', '4/4 3'],
    ])
  })

  it('stops between batches when told to', async () => {
    const stop = new AbortController()
    const run = evaluate(questions, async () => '2', { signal: stop.signal, onProgress: () => stop.abort() })
    await expect(run).rejects.toThrow(/abort/i)
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
