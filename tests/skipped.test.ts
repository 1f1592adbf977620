import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, it } from 'vitest'

const script = pathToFileURL(join(import.meta.dirname, '..', 'scripts', 'skipped-tests.mjs')).href
const { skippedTests, allowed } = (await import(script)) as {
  skippedTests(results: object): { lines: string[]; unexpected: string[] }
  allowed: readonly (readonly [string, string])[]
}

it('names skipped tests with their reasons, and those that have none', () => {
  const results = [
    { fullName: 'runs', status: 'passed' },
    { fullName: 'breaks', status: 'failed' },
    { fullName: ' the written data (not made) holds', status: 'skipped' },
    { fullName: 'forgotten', status: 'pending' },
    { fullName: 'later', status: 'todo' },
  ]
  const { lines, unexpected } = skippedTests({ testResults: [{ assertionResults: results }] })
  expect(lines[0]).toMatch(/^skipped: the written data \(not made\) holds: nano's training data are not made/)
  expect(lines.slice(1)).toEqual(['skipped: forgotten: NOT EXPECTED', 'skipped: later: NOT EXPECTED'])
  expect(unexpected).toEqual(['forgotten', 'later'])
  expect(new Set(allowed.map(([start]) => start)).size).toBe(allowed.length)
})
