/**
 * Golden check of prompt assembly: every case read literally as the reference does, and chats also from structured parts,
 * the way this library's callers write them. Exact (SPEC 8). Ids need the tokenizer golden folder next to this one.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { InputError } from '../common/errors.js'
import {
  assemble,
  type ChatContent,
  chatPrompt,
  evaluationPrompt,
  literalRuns,
  type Prompt,
  type PromptOptions,
  type PromptPart,
} from '../text/prompt.js'
import { COMPOSITION_PLACEHOLDER, IMAGE_PLACEHOLDER } from '../text/texts.js'
import type { Tokenizer } from '../text/tokenizer.js'
import type { CaseResult, GoldenCheck } from './check.js'
import { goldenTokenizer } from './golden-tokenizer.js'

const Segment = z.union([
  z.object({ type: z.literal('text'), ids: z.array(z.number()) }),
  z.object({ type: z.literal('image'), image: z.number(), tokens: z.number(), tokens_kept: z.number().optional() }),
])
const Case = z.object({
  name: z.string(),
  kind: z.enum(['chat_image', 'chat_text', 'eval_image_first', 'composition', 'composition_text']),
  prompt: z.string(),
  query: z.string().default(''),
  history: z.array(z.tuple([z.string(), z.string()])).default([]),
  meta_instruction: z.string().default(''),
  n_images: z.number().optional(),
  image_tokens: z.number().default(1225),
  max_length: z.number().default(4096),
  segments: z.array(Segment).optional(),
  ids: z.array(z.number()).optional(),
  placeholder_count_matches: z.boolean().default(true),
})
type Case = z.infer<typeof Case>

export const check: GoldenCheck = {
  folder: 'prompts',
  *run(dir) {
    const tokenizer = goldenTokenizer(dir)
    const cases = z.array(Case).parse(JSON.parse(readFileSync(join(dir, 'prompts.json'), 'utf8')))
    for (const c of cases) {
      yield compare(c, c.name, () => literal(tokenizer, c))
      if (!c.kind.startsWith('chat')) continue
      yield compare(c, `${c.name}, from parts`, () => chatPrompt(tokenizer, structured(c), { ...options(c), lenient: true }))
      if (!c.placeholder_count_matches) yield refusal(`${c.name}, strict`, () => chatPrompt(tokenizer, structured(c), options(c)))
    }
  },
}

function options(c: Case): PromptOptions {
  const images = c.n_images ?? (c.kind === 'eval_image_first' ? 1 : 0)
  return { images, imageTokens: c.image_tokens, maxLength: c.max_length, overflow: 'cut' }
}

function literal(tokenizer: Tokenizer, c: Case): Prompt {
  const all = { ...options(c), lenient: true, literal: true }
  if (c.kind === 'eval_image_first') return evaluationPrompt(tokenizer, tokenizer.splitControls(c.prompt), all)
  if (c.kind.startsWith('composition')) {
    return assemble(tokenizer, literalRuns(tokenizer, c.prompt, COMPOSITION_PLACEHOLDER), 'first-part', all)
  }
  const history = c.history.map(([user, assistant]) => ({ user, assistant }))
  return chatPrompt(tokenizer, { system: c.meta_instruction, history, user: c.query }, all)
}

function structured(c: Case): { system: string; history: { user: ChatContent; assistant: string }[]; user: ChatContent } {
  let image = 0
  const content = (text: string): ChatContent =>
    text.split(IMAGE_PLACEHOLDER).flatMap((part, i) => {
      const piece = { type: 'text' as const, text: part }
      return i > 0 ? [{ type: 'image' as const, image: image++ }, piece] : [piece]
    })
  const history = c.history.map(([user, assistant]) => ({ user: content(user), assistant }))
  return { system: c.meta_instruction, history, user: content(c.query) }
}

function compare(c: Case, name: string, build: () => Prompt): CaseResult {
  const segments = c.segments ?? [{ type: 'text' as const, ids: c.ids ?? [] }]
  const expected = segments.map((s): PromptPart => {
    return s.type === 'text' ? { kind: 'text', ids: s.ids } : { kind: 'image', image: s.image, tokens: s.tokens_kept ?? s.tokens }
  })
  const got = build()
  if (JSON.stringify(got.parts) === JSON.stringify(expected)) return { name, passed: true, detail: `${got.length} positions` }
  const at = expected.findIndex((part, i) => JSON.stringify(part) !== JSON.stringify(got.parts[i]))
  const shown = (part: PromptPart | undefined) => JSON.stringify(part)?.slice(0, 120)
  return { name, passed: false, detail: `part ${at}: got ${shown(got.parts[at])}, expected ${shown(expected[at])}` }
}

function refusal(name: string, build: () => Prompt): CaseResult {
  try {
    build()
    return { name, passed: false, detail: 'accepted, expected an InputError' }
  } catch (error) {
    if (!(error instanceof InputError)) throw error
    return { name, passed: true, detail: error.message }
  }
}
