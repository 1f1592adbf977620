/** goldens/e2e: image file and question to text, with the real vocabulary and 490-pixel images (SPEC 6, 8, 9). */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { encodeMessageImages } from '../chat/images.js'
import { XComposer } from '../inference/xcomposer.js'
import { imageTokens } from '../model/image-rows.js'
import { openModel } from '../model/open-checkpoint.js'
import { chatPrompt, evaluationPrompt, type Prompt } from '../text/prompt.js'
import type { Tokenizer } from '../text/tokenizer.js'
import type { CaseResult, GoldenCheck } from './check.js'
import { difference, goldenTensors } from './compare.js'
import { continuation } from './generation.js'
import { goldenTokenizer } from './golden-tokenizer.js'

interface Case {
  readonly kind: string
  readonly query?: string
  readonly history?: [string, string][]
  readonly meta_instruction?: string
  /** The evaluation layout's whole prompt text. */
  readonly prompt?: string
  readonly images: string[]
  readonly length?: number
  readonly new_ids: number[]
  readonly text: string
  readonly score?: number
}

const NEW_IDS = 10
const EVALUATION_BEAMS = 3

function promptOf(tokenizer: Tokenizer, c: Case, imageTokens: number): Prompt {
  const options = { images: c.images.length, imageTokens, literal: true, overflow: 'cut' } as const
  if (c.prompt !== undefined) return evaluationPrompt(tokenizer, tokenizer.splitControls(c.prompt), options)
  const history = (c.history ?? []).map(([user, assistant]) => ({ user, assistant }))
  return chatPrompt(tokenizer, { system: c.meta_instruction ?? '', history, user: c.query ?? '' }, options)
}

/** Features of each image, then every case: length, ids and text. */
export const check: GoldenCheck = {
  folder: 'e2e',
  async *run(dir) {
    const tokenizer = goldenTokenizer(dir)
    const model = XComposer.of(openModel(join(dir, 'checkpoint')), tokenizer, { threads: 1 })
    const cases = JSON.parse(readFileSync(join(dir, 'cases.json'), 'utf8')) as Case[]
    const golden = goldenTensors(join(dir, 'image_features.safetensors'))
    try {
      for (const name of golden.names) {
        const picture = name.replace(/\.projected_first8$/, '')
        const rows = (
          await encodeMessageImages(model, [{ file: join(dir, picture) }], { reading: 'reference' })
        )[0] as Float32Array
        const wanted = golden.floats(name)
        const d = difference(rows.subarray(0, wanted.length), wanted, 1e-4, 0)
        yield { name: `features of ${picture}`, passed: d.ratio <= 1, largestError: d.largest }
      }
      for (const [i, c] of cases.entries()) yield* checkCase(model, dir, `${i} ${c.kind}`, c)
    } finally {
      model.dispose()
    }
  },
}

async function* checkCase(model: XComposer, dir: string, name: string, c: Case): AsyncGenerator<CaseResult> {
  const { tokenizer } = model
  const prompt = promptOf(tokenizer, c, imageTokens(model.config))
  if (c.length !== undefined) {
    yield { name: `${name}: length`, passed: prompt.length === c.length, detail: `${prompt.length} against ${c.length}` }
  }
  const features = await encodeMessageImages(
    model,
    c.images.map((image) => ({ file: join(dir, image) })),
    { reading: 'reference' },
  )
  const start = () => model.prefill(prompt.parts, features)
  const settings =
    c.prompt === undefined
      ? { stopIds: [tokenizer.eosId, tokenizer.endOfTurnId], limit: NEW_IDS }
      : { stopIds: [tokenizer.eosId], limit: c.new_ids.length, beams: EVALUATION_BEAMS }
  const score = c.score === undefined ? {} : { score: c.score }
  yield await continuation(start, { name: `${name}: ids`, wanted: c.new_ids, ...settings, ...score })
  const text = tokenizer.decode(c.new_ids).split('[UNUSED_TOKEN_145]')[0]
  yield { name: `${name}: text`, passed: text === c.text || text?.trim() === c.text, detail: JSON.stringify(text) }
}
