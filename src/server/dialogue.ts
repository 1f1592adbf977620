/**
 * Dialogues as the APIs know them, made into the turns of the model: a system text, then user and assistant in turn. Clients are freer than
 * that: system texts anywhere, several messages of one side behind each other, answers of tools.
 */
import type { ChatContentPart, ChatMessage } from '../chat/messages.js'
import type { ServerContext } from './context.js'
import type { EngineModel } from './engine.js'
import { ApiError, fieldError, type PromptField } from './errors.js'
import { type AskedImage, imageBytes } from './images.js'
import { callText, resultText, type Tool, type ToolCall, toolText } from './tools.js'

export type TurnPart = { readonly text: string } | { readonly image: AskedImage }

/** One message of any of the APIs. `param` is its path in the request. */
export type Turn = { readonly param: string } & (
  | { readonly role: 'system'; readonly text: string }
  | { readonly role: 'user'; readonly parts: readonly TurnPart[] }
  | { readonly role: 'assistant'; readonly text: string; readonly calls: readonly Pick<ToolCall, 'id' | 'name' | 'arguments'>[] }
  | { readonly role: 'tool'; readonly callId: string; readonly text: string }
)

/** Characters that a position of a prompt stands for at most; longer texts are refused before they are cut into tokens. */
const CHARACTERS_PER_POSITION = 64

/**
 * The messages of a dialogue, with the bytes of its images.
 * @param field of the request that holds the dialogue
 * @throws ApiError naming the message or part that cannot be used
 */
export async function chatMessages(
  turns: readonly Turn[],
  tools: readonly Tool[],
  field: PromptField,
  model: EngineModel,
  { fetchImage, maxImages }: Pick<ServerContext, 'fetchImage' | 'maxImages'>,
  signal: AbortSignal,
): Promise<ChatMessage[]> {
  const images = turns
    .flatMap((turn) => (turn.role === 'user' ? turn.parts : []))
    .flatMap((part) => ('image' in part ? [part.image] : []))
  checkImages(images, model, maxImages)
  checkOrder(turns, field)
  checkLength(turns, model, field)
  const systems = turns.flatMap((turn) => (turn.role === 'system' ? [turn.text] : []))
  const system = [...systems, ...(tools.length > 0 ? [toolText(tools)] : [])].filter((text) => text !== '').join('\n\n')
  const messages: ChatMessage[] = system === '' ? [] : [{ role: 'system', content: wellFormed(system) }]
  for (const group of sides(turns)) {
    const assistant = group.flatMap((turn) =>
      turn.role === 'assistant' ? [[turn.text, ...turn.calls.map(callText)].join('')] : [],
    )
    if (assistant.length > 0) {
      messages.push({ role: 'assistant', content: wellFormed(assistant.join('\n')) })
      continue
    }
    const content: ChatContentPart[] = []
    for (const [i, turn] of group.entries()) {
      if (i > 0) content.push({ type: 'text', text: '\n' })
      if (turn.role === 'tool') content.push({ type: 'text', text: wellFormed(resultText(turn.text)) })
      if (turn.role !== 'user') continue
      for (const part of turn.parts) {
        if ('text' in part) content.push({ type: 'text', text: wellFormed(part.text) })
        else {
          const { param, detail } = part.image
          const bytes = await imageBytes(part.image, fetchImage, signal)
          content.push({ type: 'image', image: { bytes, name: param }, ...(detail === 'low' ? { maxTiles: 1 } : {}) })
        }
      }
    }
    messages.push({ role: 'user', content })
  }
  return messages
}

/** Checks a text that is continued or embedded. @throws ApiError where it cannot fit */
export function checkedText(text: string, model: EngineModel, field: string): string {
  if (text.length > model.contextLength * CHARACTERS_PER_POSITION) throw tooLong(model, text.length, field)
  return wellFormed(text)
}

/** Half a surrogate pair is no character. */
function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\ufffd')
}

function checkImages(images: readonly AskedImage[], model: EngineModel, maxImages: number): void {
  const [first] = images
  if (first && !model.vision)
    throw fieldError(first.param, `the model ${model.id} takes no images; ask without them`, 'unsupported_image')
  const surplus = images[maxImages]
  if (surplus) throw fieldError(surplus.param, `${images.length} images, at most ${maxImages} are taken`, 'too_many_images')
}

function checkOrder(turns: readonly Turn[], field: PromptField): void {
  const spoken = turns.filter(({ role }) => role !== 'system')
  const [first, last] = [spoken[0], spoken.at(-1)]
  if (!first || !last) throw fieldError(field, 'expected at least one message of the user', 'missing_required_parameter')
  if (first.role !== 'user')
    throw fieldError(first.param, `the dialogue begins with a message of the ${first.role}; expected the user's`)
  if (last.role === 'assistant')
    throw fieldError(last.param, "the last message is the assistant's; expected one of the user or a tool to answer")
  const calls = new Set<string>()
  for (const turn of spoken) {
    if (turn.role === 'assistant') for (const { id } of turn.calls) calls.add(id)
    if (turn.role === 'tool' && !calls.has(turn.callId))
      throw fieldError(turn.param, 'the answer of a tool that no earlier message of the assistant called')
  }
}

function checkLength(turns: readonly Turn[], model: EngineModel, field: PromptField): void {
  let length = 0
  for (const turn of turns) {
    if (turn.role !== 'user') length += turn.text.length
    else for (const part of turn.parts) if ('text' in part) length += part.text.length
  }
  if (length > model.contextLength * CHARACTERS_PER_POSITION) throw tooLong(model, length, field)
}

function tooLong(model: EngineModel, length: number, param: string): ApiError {
  return new ApiError(
    400,
    `the prompt has ${length} characters, more than fit in the ${model.contextLength} positions of ${model.id}`,
    {
      param,
      code: 'context_length_exceeded',
    },
  )
}

/** Spoken turns, those of one side behind each other together; tools speak on the user's side. */
function sides(turns: readonly Turn[]): Turn[][] {
  const groups: Turn[][] = []
  for (const turn of turns) {
    if (turn.role === 'system') continue
    const before = groups.at(-1)
    if (before && (before[0]?.role === 'assistant') === (turn.role === 'assistant')) before.push(turn)
    else groups.push([turn])
  }
  return groups
}
