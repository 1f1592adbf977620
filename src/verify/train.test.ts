import { afterAll, describe, expect, it } from 'vitest'
import { liveHandles } from '../engine/index.js'
import { goldenFolders } from './golden-folders.js'
import { check } from './train.js'

describe.each(goldenFolders('train'))('%s', (dir) => {
  it('every case agrees with the reference', async () => {
    const results = []
    for await (const result of check.run(dir)) results.push(result)
    expect(results.filter((r) => !r.passed)).toEqual([])
    expect(results.length).toBeGreaterThan(10)
  })
})

afterAll(() => expect(liveHandles().byKind).toEqual({}))
