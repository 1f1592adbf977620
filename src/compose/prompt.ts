/**
 * What a composition prompt is (text and images of one user turn, then the words the assistant starts with), and the model
 * as composition sees it. Images and text are different types here: an article that spells `<image>` or a control token
 * stays plain text. Does not know tokens, ids or how a model runs. Follows SPEC sections 8 and 10.
 */
import { COMPOSITION_PLACEHOLDER, turnTexts } from '../text/texts.js'

/** A piece of a user turn: words, or an image by its file. */
export type ComposePart = { readonly type: 'text'; readonly text: string } | { readonly type: 'image'; readonly file: string }

/** A user turn followed by the start of the assistant's reply. */
export interface ComposePrompt {
  readonly content: readonly ComposePart[]
  readonly prefix: string
}

/** How the next token is drawn; temperature 0 means greedy. */
export interface ComposeSampling {
  readonly temperature: number
  readonly topP: number
  readonly topK: number
  readonly repetitionPenalty: number
  readonly seed: number
}

export interface CompleteOptions {
  /** An upper limit: a model with a shorter context stops earlier. */
  readonly maxNewTokens: number
  readonly sampling: ComposeSampling
  readonly signal?: AbortSignal
}

/** The model that composes. `complete` answers with the text after `prompt.prefix`, cut at the end of the turn. */
export interface ComposerModel {
  complete(prompt: ComposePrompt, options: CompleteOptions): Promise<string>
}

/** The defaults of the composition demo (SPEC section 9). */
export const compositionSampling: ComposeSampling = {
  temperature: 1,
  topP: 0.8,
  topK: 40,
  repetitionPenalty: 1.005,
  seed: 8909,
}

export const textPart = (text: string): ComposePart => ({ type: 'text', text })
export const imagePart = (file: string): ComposePart => ({ type: 'image', file })

/**
 * Fill the `{name}` slots of a template with parts; neighbouring texts are joined. One pass: a value that itself spells
 * `{name}` is left alone. Slots that `slots` does not name stay as they are.
 */
export function fillParts(template: string, slots: Readonly<Record<string, string | readonly ComposePart[]>>): ComposePart[] {
  const parts: ComposePart[] = []
  const add = (part: ComposePart) => {
    const last = parts.at(-1)
    if (part.type === 'text' && last?.type === 'text') parts[parts.length - 1] = textPart(last.text + part.text)
    else if (part.type === 'image' || part.text !== '') parts.push(part)
  }
  for (const piece of template.split(/(\{\w+\})/)) {
    const name = /^\{(\w+)\}$/.exec(piece)?.[1]
    const value = name !== undefined && Object.hasOwn(slots, name) ? slots[name] : undefined
    if (value === undefined) add(textPart(piece))
    else if (typeof value === 'string') add(textPart(value))
    else for (const part of value) add(part)
  }
  return parts
}

/** Fill the `{name}` slots of a template with text, in one pass. */
export function fill(template: string, slots: Readonly<Record<string, string>>): string {
  return template.replace(/\{(\w+)\}/g, (slot, name: string) => (Object.hasOwn(slots, name) ? (slots[name] ?? slot) : slot))
}

/** The prompt as one string, images as `<image>`: for reading, traces and golden files, never for tokenising. */
export function renderPrompt(prompt: ComposePrompt, system?: string): string {
  const text = prompt.content.map((part) => (part.type === 'text' ? part.text : COMPOSITION_PLACEHOLDER)).join('')
  const head = system === undefined ? '' : fill(turnTexts.system, { text: system })
  return head + fill(turnTexts.user, { text }) + turnTexts.assistantOpen + prompt.prefix
}
