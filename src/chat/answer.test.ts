/** The answer object, whoever reads it and however: pieces from a list, no model. */
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AbortCheck } from '../common/abort.js'
import { AbortedError } from '../common/errors.js'
import { ChatAnswer } from './answer.js'
import type { ChatResult } from './result.js'

const result = (text: string): ChatResult => ({
  text,
  ids: [],
  usage: { promptTokens: 1, imageTokens: 0, cachedTokens: 0, completionTokens: 0 },
  images: [],
  timings: { imageMs: 0, prefillMs: 0, decodeMs: 0, firstTokenMs: 0, tokensPerSecond: 0 },
  finishReason: 'stop',
})

/** An answer of these pieces, made with waits in between; counts how far it was made and whether it was cleaned up. */
function answerOf(pieces: readonly string[], failure?: Error, signal?: AbortSignal) {
  const count = { made: 0, begun: 0, cleaned: 0 }
  async function* steps(check: AbortCheck): AsyncGenerator<string, ChatResult, void> {
    count.begun++
    try {
      for (const piece of pieces) {
        await new Promise(setImmediate)
        check.throwIfAborted()
        count.made++
        yield piece
      }
      if (failure) throw failure
      return result(pieces.join(''))
    } finally {
      count.cleaned++
    }
  }
  return { answer: new ChatAnswer(steps, signal), count }
}

async function readAll(answer: ChatAnswer): Promise<string> {
  let text = ''
  for await (const piece of answer) text += piece
  return text
}

const unhandled: unknown[] = []
const note = (reason: unknown): void => void unhandled.push(reason)
beforeEach(() => void process.on('unhandledRejection', note))
afterEach(async () => {
  await new Promise((resolve) => setTimeout(resolve, 5))
  process.off('unhandledRejection', note)
  expect(unhandled.splice(0)).toEqual([])
})

describe('an answer', () => {
  it('gives the same pieces and result in whatever order it is read and waited for', async () => {
    const way = fc.constantFrom('read', 'wait', 'read, then wait', 'wait, then read', 'both', 'read some, then wait', 'next')
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string(), { maxLength: 6 }), way, async (pieces, how) => {
        const { answer, count } = answerOf(pieces)
        const wanted = pieces.join('')
        if (how === 'read') expect(await readAll(answer)).toBe(wanted)
        if (how === 'wait') expect((await answer.result).text).toBe(wanted)
        if (how === 'read, then wait') expect([await readAll(answer), (await answer.result).text]).toEqual([wanted, wanted])
        if (how === 'wait, then read') expect([(await answer.result).text, await readAll(answer)]).toEqual([wanted, wanted])
        if (how === 'both')
          expect(await Promise.all([answer.result.then((r) => r.text), readAll(answer)])).toEqual([wanted, wanted])
        if (how === 'read some, then wait') {
          const { value } = await answer.next()
          expect((await answer.result).text).toBe(wanted)
          expect((pieces.length > 0 ? value : '') + (await readAll(answer))).toBe(wanted)
        }
        if (how === 'next') {
          const steps = await Promise.all(pieces.map(() => answer.next()))
          expect(steps.map(({ value }) => value)).toEqual(pieces)
          expect(await answer.next()).toEqual({ done: true, value: result(wanted) })
        }
        expect(count).toEqual({ made: pieces.length, begun: 1, cleaned: 1 })
      }),
      { numRuns: 60 },
    )
  })

  it('is not begun before somebody reads it, and made no faster than it is read', async () => {
    const { answer, count } = answerOf(['a', 'b', 'c'])
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(count.begun).toBe(0)
    await answer.next()
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(count.made).toBe(1)
    await answer.return()
  })

  it('that a loop leaves is cleaned up, and its result rejects with an AbortedError', async () => {
    for (const waiting of [false, true]) {
      const { answer, count } = answerOf(['a', 'b', 'c', 'd'])
      const ends = waiting ? answer.result.catch((error: unknown) => error) : undefined
      for await (const piece of answer) if (piece === 'a') break
      expect(count.cleaned).toBe(1)
      if (!waiting) expect(count.made).toBe(1)
      await expect(answer.result).rejects.toThrow(AbortedError)
      await expect(answer.result).rejects.toMatchObject({ code: 'aborted' })
      if (ends) expect(await ends).toBeInstanceOf(AbortedError)
    }
  })

  it('that is given back before it began makes nothing', async () => {
    const { answer, count } = answerOf(['a'])
    await answer[Symbol.asyncDispose]()
    await expect(answer.result).rejects.toThrow('ended by its reader')
    await expect(readAll(answer)).rejects.toThrow('ended by its reader')
    expect(count.begun).toBe(0)
  })

  it('fails where it is read and where its result is waited for, and nowhere else', async () => {
    const failure = new Error('out of paper')
    await expect(readAll(answerOf(['a'], failure).answer)).rejects.toBe(failure)
    await expect(answerOf(['a'], failure).answer.result).rejects.toBe(failure)
    const { answer } = answerOf(['a', 'b'], failure)
    void answer.result
    expect((await answer.next()).value).toBe('a')
    expect((await answer.next()).value).toBe('b')
    await expect(answer.next()).rejects.toBe(failure)
  })

  it('ends with the reason of its signal', async () => {
    const control = new AbortController()
    const { answer, count } = answerOf(['a', 'b'], undefined, control.signal)
    await answer.next()
    control.abort(new Error('enough'))
    await expect(answer.result).rejects.toThrow('enough')
    expect(count).toEqual({ made: 1, begun: 1, cleaned: 1 })
  })
})
