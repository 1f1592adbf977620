import { describe, expect, it } from 'vitest'
import { readLine } from './dialogue.js'
import { fakeIo } from './fake-io.js'
import { progressLine } from './io.js'
import { duration } from './train.js'

describe('a progress line', () => {
  it('on a terminal is rewritten, and covers what stood there', () => {
    const io = fakeIo({ terminal: true })
    let now = 0
    const progress = progressLine(io, 10, () => now)
    progress.update('step 100')
    now = 50
    progress.update('too soon')
    now = 200
    progress.update('step 2')
    progress.end()
    progress.end()
    expect(io.written.err).toBe('\rstep 100\rstep 2  \n')
  })

  it('elsewhere is a line every ten seconds, and the last one', () => {
    const io = fakeIo()
    let now = 0
    const progress = progressLine(io, 10, () => now)
    for (let i = 0; i <= 25; i++) {
      now = i * 1000
      progress.update(`step ${i}`)
    }
    progress.end()
    expect(io.written.err).toBe('step 0\nstep 10\nstep 20\nstep 25\n')
  })
})

it.each([
  ['', { kind: 'nothing' }],
  [' What is this? ', { kind: 'question', text: 'What is this?' }],
  ['/image a b.png ', { kind: 'image', paths: 'a b.png' }],
  ['/image "a b.png"', { kind: 'image', paths: '"a b.png"' }],
  ['/image', { kind: 'help' }],
  ['/clear', { kind: 'clear' }],
  ['/quit', { kind: 'quit' }],
  ['/paint', { kind: 'unknown', word: 'paint' }],
  ['1/2 is what?', { kind: 'question', text: '1/2 is what?' }],
])('the line %j of a dialogue is %j', (line, wish) => expect(readLine(line)).toEqual(wish))

it.each([
  [4.4, '4 s'],
  [89, '89 s'],
  [720, '12 min'],
  [3 * 3600 + 5 * 60, '3 h 05 min'],
  [Number.POSITIVE_INFINITY, '?'],
])('%d seconds read as %s', (seconds, text) => expect(duration(seconds)).toBe(text))
