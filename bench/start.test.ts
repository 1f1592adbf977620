import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { medianParts, startNode } from './start.js'

describe('a process that is timed', () => {
  let dir = ''
  const script = (name: string, code: string): string => {
    const file = join(dir, name)
    writeFileSync(file, code)
    return file
  }
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'xcomposer-start-'))
  })
  afterAll(() => rmSync(dir, { recursive: true, force: true }))

  it('gives what it wrote, and its first byte comes no later than its end', async () => {
    const started = await startNode(script('speaks.mjs', 'process.stdout.write(process.argv[2])'), ['hello'])
    expect(started.text).toBe('hello')
    expect(started.firstByteMs).toBeGreaterThan(0)
    expect(started.firstByteMs).toBeLessThanOrEqual(started.endMs)
  })

  it('is refused with its last words when it fails, and when it is silent', async () => {
    const failing = script('fails.mjs', 'console.error("first"); console.error("no model"); process.exitCode = 2')
    await expect(startNode(failing, [])).rejects.toThrow('ended with code 2: no model')
    await expect(startNode(script('silent.mjs', ''), [])).rejects.toThrow('silent')
  })
})

it('parts are medians of each part', () => {
  const parts = { nodeMs: 1, importsMs: 2, openMs: 3, tokenizerMs: 4, sessionsMs: 5, firstTokenMs: 6, peakBytes: 7 }
  const other = { ...parts, nodeMs: 3, peakBytes: 9 }
  expect(medianParts([parts, other, parts])).toEqual(parts)
  expect(medianParts([parts, other])).toEqual({ ...parts, nodeMs: 2, peakBytes: 8 })
})
