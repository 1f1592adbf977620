/**
 * Assembles prompts (SPEC 8): text and images in order, text as ids, images as numbers of positions. Four layouts differ in
 * where BOS stands: chat with images (every non-empty text part), chat without (two), evaluation (alone, before the image)
 * and composition or training (first part only). What a user writes is data: an image is a part of its own, and text that
 * spells `<ImageHere>` or a turn marker stays text, unless `literal` asks for the reference's string handling.
 * It knows nothing of embeddings or models.
 */
import { InputError } from '../common/errors.js'
import { COMPOSITION_PLACEHOLDER, IMAGE_PLACEHOLDER, turnTexts } from './texts.js'
import type { Tokenizer } from './tokenizer.js'

export type PromptPart =
  | { readonly kind: 'text'; readonly ids: number[] }
  /** `tokens` positions of image `image`; fewer than the image has when the prompt was cut inside it: use its first rows. */
  | { readonly kind: 'image'; readonly image: number; readonly tokens: number }

export interface Prompt {
  readonly parts: PromptPart[]
  /** Positions in all: ids plus image tokens. */
  readonly length: number
}

/** One side's message: a string, or text and images in order; `image` counts into the images passed with the request. */
export type ChatContent =
  | string
  | readonly ({ readonly type: 'text'; readonly text: string } | { readonly type: 'image'; readonly image: number })[]

export interface ChatTurn {
  readonly user: ChatContent
  /** The answer, cut at the end-of-turn marker. */
  readonly assistant: string
}

export interface ChatRequest {
  /** The meta instruction; none when left out or empty. */
  readonly system?: string
  readonly history?: readonly ChatTurn[]
  readonly user: ChatContent
  /** Words the answer starts with. */
  readonly prefix?: string
}

export interface PromptOptions {
  /** How many images are passed with the request. */
  readonly images: number
  /** Positions per image; one number when all are equal. */
  readonly imageTokens: number | readonly number[]
  /** Positions that fit (default 4096). */
  readonly maxLength?: number
  /** What happens beyond `maxLength`: an InputError (default) or the reference's silent cut. */
  readonly overflow?: 'error' | 'cut'
  /** Accept surplus images (they go to the end) and surplus placeholders (they vanish), as the reference does. */
  readonly lenient?: boolean
  /** Trusted text only: `<ImageHere>` and control pieces spelled in strings count as such. For parity with the reference. */
  readonly literal?: boolean
  /** 'reference': as the official chat (BOS on every part, two without images). 'first': one BOS, as training writes it. */
  readonly bos?: 'reference' | 'first'
}

/** A stretch of a prompt before tokenising: a control id, plain text, or the place of an image. */
export type Run = number | string | { readonly image: number }

type BosRule = 'every-part' | 'first-part' | 'none'

/**
 * The prompt of a chat: system turn, history, user turn, open assistant header.
 * @throws InputError when images and image parts disagree, or the prompt does not fit
 */
export function chatPrompt(tokenizer: Tokenizer, request: ChatRequest, options: PromptOptions): Prompt {
  const runs = chatRuns(tokenizer, request, options.literal ? IMAGE_PLACEHOLDER : undefined)
  if (options.bos === 'first') return assemble(tokenizer, runs, 'first-part', options)
  if (options.images > 0 || runs.some(isImage)) return assemble(tokenizer, runs, 'every-part', options)
  // The reference's text-only prompt spells `<s>` and its tokenizer adds another.
  return assemble(tokenizer, [tokenizer.bosId, ...runs], 'first-part', options)
}

/** A composition prompt: one user turn and the words the answer starts with, BOS on the first part only (SPEC 10). */
export function compositionPrompt(tokenizer: Tokenizer, request: ChatRequest, options: PromptOptions): Prompt {
  const runs = chatRuns(tokenizer, request, options.literal ? COMPOSITION_PLACEHOLDER : undefined)
  return assemble(tokenizer, runs, 'first-part', options)
}

/** The benchmarks' layout: BOS alone, then every image, then the whole text without BOS. Text comes from `templateRuns`. */
export function evaluationPrompt(tokenizer: Tokenizer, text: readonly (number | string)[], options: PromptOptions): Prompt {
  const images = Array.from({ length: options.images }, (_, image) => ({ image }))
  return assemble(tokenizer, [tokenizer.bosId, ...images, ...text], 'none', options)
}

/** Fills the `{name}` slots of a trusted template; control pieces count in the template and are plain text in the values. */
export function templateRuns(
  tokenizer: Tokenizer,
  template: string,
  slots: Readonly<Record<string, string>> = {},
): (number | string)[] {
  return template.split(/(\{\w+\})/).flatMap((piece) => {
    const name = piece.slice(1, -1)
    if (/^\{\w+\}$/.test(piece) && Object.hasOwn(slots, name)) return [slots[name] ?? '']
    return tokenizer.splitControls(piece)
  })
}

/** Runs of a whole prompt string read as the reference reads it: control pieces and `placeholder` count wherever they stand. */
export function literalRuns(tokenizer: Tokenizer, text: string, placeholder: string): Run[] {
  return text.split(placeholder).flatMap((part, i) => [...(i > 0 ? [{ image: i - 1 }] : []), ...tokenizer.splitControls(part)])
}

/** Runs of one chat message turn in `turnTexts`' format. */
export function turnRuns(tokenizer: Tokenizer, template: string, content: ChatContent): Run[] {
  const [before = '', after = ''] = template.split('{text}')
  return [...tokenizer.splitControls(before), ...contentRuns(content), ...tokenizer.splitControls(after)]
}

function contentRuns(content: ChatContent): Run[] {
  if (typeof content === 'string') return [content]
  return content.map((part) => (part.type === 'text' ? part.text : { image: part.image }))
}

function chatRuns(tokenizer: Tokenizer, request: ChatRequest, placeholder: string | undefined): Run[] {
  const runs: Run[] = []
  if (request.system) runs.push(...turnRuns(tokenizer, turnTexts.system, request.system))
  for (const turn of request.history ?? []) {
    runs.push(...turnRuns(tokenizer, turnTexts.user, turn.user), ...turnRuns(tokenizer, turnTexts.assistant, turn.assistant))
  }
  runs.push(...turnRuns(tokenizer, turnTexts.user, request.user), ...tokenizer.splitControls(turnTexts.assistantOpen))
  if (request.prefix) runs.push(request.prefix)
  return placeholder === undefined ? runs : literalize(tokenizer, runs, placeholder)
}

/** Rereads the texts among `runs` literally. Placeholders count on from left to right, so image parts may not be mixed in. */
function literalize(tokenizer: Tokenizer, runs: readonly Run[], placeholder: string): Run[] {
  let image = 0
  return runs.flatMap((run): Run[] => {
    if (isImage(run))
      throw new InputError('literal prompts spell their images as placeholders; got an image part: leave literal off')
    if (typeof run === 'number') return [run]
    return literalRuns(tokenizer, run, placeholder).map((r) => (isImage(r) ? { image: image++ } : r))
  })
}

function isImage(run: Run): run is { readonly image: number } {
  return typeof run === 'object'
}

/**
 * Turns runs into parts: text between images becomes one part each, images take their positions.
 * @throws InputError see `chatPrompt`
 */
export function assemble(tokenizer: Tokenizer, runs: readonly Run[], bos: BosRule, options: PromptOptions): Prompt {
  const { images, imageTokens, lenient = false, maxLength = 4096, overflow = 'error' } = options
  const tokensOf = (image: number): number => {
    const tokens = typeof imageTokens === 'number' ? imageTokens : imageTokens[image]
    if (tokens === undefined || !Number.isInteger(tokens) || tokens < 1)
      throw new InputError(`image ${image}: ${tokens} tokens, expected at least 1`)
    return tokens
  }
  const parts: PromptPart[] = []
  const used = new Set<number>()
  let text: (number | string)[] = []
  let firstText = true
  const closeText = (): void => {
    if (text.some((run) => run !== '')) {
      const lead = bos === 'every-part' || (bos === 'first-part' && firstText) ? [tokenizer.bosId] : []
      parts.push({ kind: 'text', ids: [...lead, ...tokenizer.encodeRuns(text)] })
      firstText = false
    }
    text = []
  }
  const placeImage = (image: number): void => {
    parts.push({ kind: 'image', image, tokens: tokensOf(image) })
    used.add(image)
  }
  for (const run of runs) {
    if (!isImage(run)) text.push(run)
    else {
      closeText()
      if (Number.isInteger(run.image) && run.image >= 0 && run.image < images) placeImage(run.image)
      else if (!lenient)
        throw new InputError(`the prompt places image ${run.image}, but ${images} image(s) were passed (counting from 0)`)
    }
  }
  closeText()
  for (let image = 0; image < images; image++) {
    if (used.has(image)) continue
    if (!lenient) throw new InputError(`image ${image} of ${images} has no place in the prompt; add an image part for it`)
    placeImage(image)
  }
  return fitLength(parts, maxLength, overflow)
}

function fitLength(parts: readonly PromptPart[], maxLength: number, overflow: 'error' | 'cut'): Prompt {
  const sizeOf = (part: PromptPart): number => (part.kind === 'text' ? part.ids.length : part.tokens)
  const length = parts.reduce((sum, part) => sum + sizeOf(part), 0)
  if (length <= maxLength) return { parts: [...parts], length }
  if (overflow === 'error') {
    throw new InputError(`the prompt takes ${length} positions, at most ${maxLength} fit; use fewer images or shorter text`, {
      code: 'context_length_exceeded',
    })
  }
  const kept: PromptPart[] = []
  let left = maxLength
  for (const part of parts) {
    const size = Math.min(sizeOf(part), left)
    if (size === 0) break
    kept.push(part.kind === 'text' ? { kind: 'text', ids: part.ids.slice(0, size) } : { ...part, tokens: size })
    left -= size
  }
  return { parts: kept, length: maxLength }
}
