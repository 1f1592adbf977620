import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { check } from './formats.js'

const folders = ['../../tests/data/goldens', '../../../shared/goldens']
  .map((root) => fileURLToPath(new URL(`${root}/${check.folder}`, import.meta.url)))
  .filter((dir, i) => i === 0 || existsSync(dir))

describe.each(folders)('goldens of %s', (dir) => {
  it('match in every case', async () => {
    const results = []
    for await (const result of check.run(dir)) results.push(result)
    expect(results.length).toBeGreaterThan(0)
    expect(results.filter((result) => !result.passed)).toEqual([])
  })
})
