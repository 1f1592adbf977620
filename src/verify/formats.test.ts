import { describe, expect, it } from 'vitest'
import { goldenFolders } from '../../tests/support/golden-folders.js'
import { check } from './formats.js'

describe.each(goldenFolders(check.folder))('goldens of %s', (dir) => {
  it('match in every case', async () => {
    const results = []
    for await (const result of check.run(dir)) results.push(result)
    expect(results.length).toBeGreaterThan(0)
    expect(results.filter((result) => !result.passed)).toEqual([])
  })
})
