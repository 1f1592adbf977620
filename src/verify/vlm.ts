/** goldens/vlm: images and text end to end at a fixed resolution, greedy and beam continuations (SPEC 4, 5, 8). */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DecoderRuntime } from '../inference/decoder-runtime.js'
import { VisionRuntime } from '../inference/vision-runtime.js'
import { openModel } from '../model/open-checkpoint.js'
import type { CaseResult, GoldenCheck } from './check.js'
import { difference, goldenTensors } from './compare.js'
import { continuation, greedyBothWays } from './generation.js'
import { type Segment, segmentRows } from './segments.js'

interface VlmCase {
  readonly case: number
  readonly segments: Segment[]
  readonly greedy24: number[]
  readonly beam3_24: number[]
  readonly beam3_score?: number
}

/** Per case: projected rows, assembled embeddings, mask, hidden states, logits, continuations. */
export const check: GoldenCheck = {
  folder: 'vlm',
  async *run(dir) {
    const cases = JSON.parse(readFileSync(join(dir, 'cases.json'), 'utf8')) as VlmCase[]
    const golden = goldenTensors(join(dir, 'cases.safetensors'))
    const model = new DecoderRuntime(openModel(join(dir, 'checkpoint')), { threads: 1 })
    const vision = new VisionRuntime(model.config, model.store, { threads: 1 })
    const compare = (name: string, got: Float32Array): CaseResult => {
      const d = difference(got, golden.floats(name))
      return { name, passed: d.ratio <= 1, largestError: d.largest }
    }
    try {
      for (const c of cases) {
        const at = `case${c.case}`
        const images = golden.shape(`${at}.pixel_values`)[0] as number
        const projected = await vision.encode(golden.floats(`${at}.pixel_values`), images)
        yield compare(`${at}.projected`, projected)
        const { rows, tokens, imageColumns } = segmentRows(model, c.segments, projected, images)
        yield compare(`${at}.inputs_embeds`, rows)
        const mask = golden.integers(`${at}.im_mask`)
        const columns = [...mask.keys()].filter((i) => mask[i])
        yield { name: `${at}.im_mask`, passed: columns.join() === imageColumns.join(), detail: `${columns.length} image tokens` }
        const sequence = model.sequence()
        const logitColumns = Array.from({ length: tokens }, (_, i) => i)
        const pass = await model.sessions.run(
          { embeddings: rows, tokens, imageColumns, logitColumns, hidden: true },
          sequence.cache,
        )
        sequence.dispose()
        for (const [i, state] of pass.hidden.entries()) yield compare(`${at}.hidden_states.${i}`, state)
        yield compare(`${at}.logits`, pass.logits)
        const start = async () => {
          const s = model.sequence()
          return { logits: await s.appendRows(rows, tokens, imageColumns), sequence: s }
        }
        const promptIds = c.segments.flatMap((s) => (s.type === 'text' ? s.ids : [-1]))
        yield* greedyBothWays(start, { name: `${at} greedy`, wanted: c.greedy24 }, promptIds)
        const score = c.beam3_score === undefined ? {} : { score: c.beam3_score }
        yield await continuation(start, { name: `${at} beam 3`, wanted: c.beam3_24, beams: 3, ...score })
      }
    } finally {
      vision.dispose()
      model.dispose()
    }
  },
}
