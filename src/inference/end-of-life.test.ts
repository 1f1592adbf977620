/** Models, sequences and batches that are disposed while they are used, or used afterwards, in a process of its own, which must survive it. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { packageRoot } from '../common/package-root.js'

const support = join(packageRoot, 'tests', 'support')

/** How the calls of each case ended. */
let report: Record<string, { ended: string[]; handles: object }> = {}
beforeAll(async () => {
  const loader = `file://${join(support, 'source-loader.mjs')}`
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [
    '--import',
    loader,
    join(support, 'end-of-life-child.ts'),
  ])
  expect(stderr).toBe('')
  report = JSON.parse(stdout)
}, 60_000)

/** The ends of a case, behind which no native handle may be left. */
function endsOf(name: string, ms = 0): string[] {
  const { ended = [], handles } = report[`${name} ${ms}`] ?? {}
  expect(handles).toEqual({})
  return ended
}

const disposed = /^disposed: (model nano|sequence): was disposed/

describe('a model', () => {
  it('refuses every call after dispose with a typed error', () => {
    const ended = endsOf('after')
    expect(ended).toHaveLength(11)
    for (const end of ended) expect(end).toMatch(disposed)
  })

  it.each([0, 2, 10, 30])('disposed %i ms after many calls began ends them all, and leaves nothing', (ms) => {
    const ended = endsOf('during', ms)
    expect(ended.pop()).toBe('handles 0')
    expect(ended).toHaveLength(7)
    for (const end of ended) expect(end).toMatch(disposed)
  })

  it('frees the sequence of an answer that nobody reads on', () => {
    const ended = endsOf('unread')
    expect(ended[0]).toBe('handles 0')
    expect(ended[1]).toMatch(disposed)
    expect(ended[2]).toMatch(disposed)
  })

  it('waits for a graph that is being compiled', () => {
    const ended = endsOf('compiling')
    expect(ended[0]).toMatch(/^done$|^disposed: model nano/)
  })
})

describe('sequences, beams and rows', () => {
  it('may be disposed during a pass, and are refused afterwards', () => {
    const ended = endsOf('sequences')
    expect(ended[0]).toBe('done')
    for (const end of ended.slice(1, 3)) expect(end).toMatch(disposed)
    expect(ended[3]).toMatch(/^done$|^disposed: sequence/)
    expect(ended[4]).toMatch(/^disposed: sequence/)
    expect(ended[5]).toBe('done')
  })
})
