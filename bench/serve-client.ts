/** Chats with a server as any client does, and when its tokens came. It knows the OpenAI API, not the server. */
import { z } from 'zod'
import { XComposerError } from '../src/common/errors.js'

export interface ChatMessageBody {
  readonly role: 'user' | 'assistant'
  readonly content: string | readonly object[]
}

/** A request for a chat. */
export interface ChatBody {
  readonly messages: readonly ChatMessageBody[]
  readonly max_tokens: number
  readonly logit_bias?: Readonly<Record<number, number>>
}

/** A streamed answer. */
export interface StreamedChat {
  readonly text: string
  readonly tokens: number
  /** When each piece came, in ms since the request was sent. */
  readonly at: readonly number[]
}

const chunk = z.object({
  choices: z.array(z.object({ delta: z.object({ content: z.string().nullish() }) })),
  usage: z.object({ completion_tokens: z.number() }).nullish(),
})

/** Asks, and reads the answer as it comes. @param onPiece called with each piece @throws XComposerError for anything but an answer */
export async function streamChat(url: string, body: ChatBody, onPiece?: () => void): Promise<StreamedChat> {
  const began = performance.now()
  const response = await post(url, { ...body, stream: true, stream_options: { include_usage: true } })
  const at: number[] = []
  let [text, rest, tokens] = ['', '', 0]
  for await (const bytes of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const lines = (rest + bytes).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      if (!line.startsWith('data: ') || line === 'data: [DONE]') continue
      const { choices, usage } = chunk.parse(JSON.parse(line.slice('data: '.length)))
      const content = choices[0]?.delta.content
      tokens = usage?.completion_tokens ?? tokens
      if (!content) continue
      at.push(performance.now() - began)
      text += content
      onPiece?.()
    }
  }
  return { text, tokens, at }
}

/** Asks, and waits for the whole answer; what it says is of no interest. */
export async function wholeChat(url: string, body: ChatBody): Promise<void> {
  await (await post(url, body)).arrayBuffer()
}

/** Empties the server's caches. */
export async function clearCaches(url: string): Promise<void> {
  await (await fetch(`${url}/v1/cache`, { method: 'DELETE' })).arrayBuffer()
}

async function post(url: string, body: object): Promise<Response> {
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(`${url}/v1/chat/completions`, { method: 'POST', headers, body: JSON.stringify(body) })
  if (!response.ok) throw new XComposerError(`${url}: status ${response.status}: ${(await response.text()).slice(0, 300)}`)
  return response
}
