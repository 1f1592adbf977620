/** goldens/vlm_hd: the tiled (4KHD) model end to end: view of the whole, merged features, projected rows, logits, greedy ids. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { interpolatePlanes } from '../image/interpolate.js'
import type { TiledPixels } from '../image/tiles.js'
import { DecoderRuntime } from '../inference/decoder-runtime.js'
import { promptRows } from '../inference/prompt-rows.js'
import { VisionRuntime } from '../inference/vision-runtime.js'
import { openModel } from '../model/open-checkpoint.js'
import type { PromptPart } from '../text/prompt.js'
import type { CaseResult, GoldenCheck } from './check.js'
import { difference, type GoldenTensors, goldenTensors } from './compare.js'
import { greedyBothWays } from './generation.js'

const ids = z.array(z.number())
const Single = z.object({ case: z.number(), n_tokens: z.number(), before_ids: ids, after_ids: ids, greedy24: ids })
const Pair = z.object({ case: z.literal('pair'), lengths: z.array(z.number()) })

export const check: GoldenCheck = {
  folder: 'vlm_hd',
  async *run(dir) {
    const cases = z.array(z.union([Single, Pair])).parse(JSON.parse(readFileSync(join(dir, 'cases.json'), 'utf8')))
    const golden = goldenTensors(join(dir, 'cases.safetensors'))
    const model = new DecoderRuntime(openModel(join(dir, 'checkpoint')), { threads: 1 })
    const vision = new VisionRuntime(model.config, model.store, { threads: 1 })
    try {
      for (const c of cases) {
        if (c.case === 'pair') yield* pair(golden, vision, tileSize(model))
        else yield* single(c, golden, model, vision)
      }
    } finally {
      vision.dispose()
      model.dispose()
    }
  },
}

const tileSize = (model: DecoderRuntime): number => model.config.vision?.imageSize ?? 0

function compare(golden: GoldenTensors, name: string, got: Float32Array): CaseResult {
  const d = difference(got, golden.floats(name))
  return { name, passed: d.ratio <= 1, largestError: d.largest }
}

function tiled(golden: GoldenTensors, name: string, tile: number): TiledPixels {
  const [, , height, width] = golden.shape(name) as [number, number, number, number]
  const canvas = golden.floats(name)
  const whole = interpolatePlanes(canvas, 3, height, width, tile, tile)
  return { canvas, whole, tilesHigh: height / tile, tilesWide: width / tile }
}

async function* single(
  c: z.infer<typeof Single>,
  golden: GoldenTensors,
  model: DecoderRuntime,
  vision: VisionRuntime,
): AsyncGenerator<CaseResult> {
  const at = `case${c.case}`
  const picture = tiled(golden, `${at}.pixel_values`, tileSize(model))
  yield compare(golden, `${at}.global_view`, picture.whole)
  yield compare(golden, `${at}.merged_features`, await vision.mergedFeatures(picture))
  const projected = await vision.encodeTiled(picture)
  yield compare(golden, `${at}.projected`, projected)
  const parts: PromptPart[] = [
    { kind: 'text', ids: c.before_ids },
    { kind: 'image', image: 0, tokens: c.n_tokens },
    { kind: 'text', ids: c.after_ids },
  ]
  const { rows, tokens, imageColumns } = promptRows(model, parts, [projected])
  const logitColumns = Array.from({ length: tokens }, (_, i) => i)
  const sequence = model.sequence()
  const { logits } = await model.sessions.run({ embeddings: rows, tokens, imageColumns, logitColumns }, sequence.cache)
  sequence.dispose()
  yield compare(golden, `${at}.logits`, logits)
  const start = async () => {
    const s = model.sequence()
    return { logits: await s.appendRows(rows, tokens, imageColumns), sequence: s }
  }
  yield* greedyBothWays(start, { name: `${at} greedy`, wanted: c.greedy24 }, [...c.before_ids, -1, ...c.after_ids])
}

/** Two images of different sizes: the reference gives both after one another. */
async function* pair(golden: GoldenTensors, vision: VisionRuntime, tile: number): AsyncGenerator<CaseResult> {
  const merged: number[] = []
  for (const i of [0, 1]) merged.push(...(await vision.mergedFeatures(tiled(golden, `pair.pixel_values_${i}`, tile))))
  yield compare(golden, 'pair.merged_features', Float32Array.from(merged))
}
