/**
 * Golden check of training text: conversations to ids, image mask and labels, whole, truncated, and on id lists cut before
 * masking. Exact (SPEC 11.5). Ids need the tokenizer golden folder next to this one.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { conversationText, type Example, literalExample, maskLabels } from '../data/conversation.js'
import type { CaseResult, GoldenCheck } from './check.js'
import { goldenTokenizer } from './golden-tokenizer.js'

const ids = z.array(z.number())
const Whole = z.object({
  case: z.number(),
  conversations: z.array(z.object({ from: z.string(), value: z.string() })),
  n_images: z.number(),
  image_tokens: z.number(),
  text: z.string(),
  ids,
  im_mask: ids,
  labels: ids,
  max_length: z.number().optional(),
  ids_truncated: ids.default([]),
  im_mask_truncated: ids.default([]),
  labels_truncated: ids.default([]),
})
const Cut = z.object({ case: z.string(), ids, labels: ids })

export const check: GoldenCheck = {
  folder: 'sft_text',
  *run(dir) {
    const tokenizer = goldenTokenizer(dir)
    for (const c of z.array(z.union([Whole, Cut])).parse(JSON.parse(readFileSync(join(dir, 'cases.json'), 'utf8')))) {
      const name = `case ${c.case}`
      if (!('conversations' in c)) {
        yield compare(name, [maskLabels(tokenizer, c.ids)], [c.labels])
        continue
      }
      const options = { images: c.n_images, imageTokens: c.image_tokens }
      const example = literalExample(tokenizer, c.conversations, options)
      yield compare(name, [conversationText(c.conversations), ...rows(example)], [c.text, c.ids, c.im_mask, c.labels])
      if (c.max_length === undefined) continue
      const cut = literalExample(tokenizer, c.conversations, { ...options, maxLength: c.max_length })
      yield compare(`${name}, truncated`, rows(cut), [c.ids_truncated, c.im_mask_truncated, c.labels_truncated])
    }
  },
}

function rows(example: Example): number[][] {
  return [example.ids, example.imageMask, example.labels]
}

function compare(name: string, got: readonly (string | number[])[], expected: readonly (string | number[])[]): CaseResult {
  for (const [i, want] of expected.entries()) {
    const have = got[i] ?? ''
    if (JSON.stringify(have) === JSON.stringify(want)) continue
    const at = [...want].findIndex((value, k) => value !== have[k])
    return { name, passed: false, detail: `row ${i} at ${at}: got ${have[at]}, expected ${want[at]}` }
  }
  return { name, passed: true }
}
