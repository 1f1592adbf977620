/** The model's golden folders, on the copies in the repository and on the whole set where it stands beside it. */
import { afterAll, describe, expect, it } from 'vitest'
import { goldenFolders } from '../../tests/support/golden-folders.js'
import { liveHandles } from '../engine/index.js'
import { check as clip } from './clip.js'
import { check as decoder } from './decoder.js'
import { check as hdTiling } from './hd_tiling.js'
import { check as train } from './train.js'
import { check as vlm } from './vlm.js'
import { check as vlmHd } from './vlm_hd.js'

describe.each([clip, decoder, hdTiling, vlm, vlmHd, train].flatMap((c) => goldenFolders(c.folder).map((dir) => ({ c, dir }))))(
  '$dir',
  ({ c, dir }) => {
    it('every case agrees with the reference', async () => {
      const results = []
      for await (const result of c.run(dir)) results.push(result)
      expect(results.filter((r) => !r.passed)).toEqual([])
      expect(results.length).toBeGreaterThan(7)
    })
  },
)

afterAll(() => expect(liveHandles().byKind, 'native handles alive at the end').toEqual({}))
