/** What is inside an answer: asked once for each, and kept while the page is open. */
import { branchTo } from '../../../src/server/app-api/branch'
import { requestJson } from '../lib/api'
import { modelMessages } from './answers'
import { opened } from './conversations'
import { model } from './models'

export interface InsideToken {
  readonly id: number
  readonly text: string
  readonly probability: number
  readonly alternatives: readonly { readonly text: string; readonly probability: number }[]
}

/** Of `POST /v1/inside`. */
export interface Inside {
  /** Image tokens of each image, as they stand. */
  readonly grid: { readonly h: number; readonly w: number }
  readonly layers: number
  readonly tokens: readonly InsideToken[]
  /** [layer][token][image][h * w], mean of the heads; shares of all attention of the token. */
  readonly attention: readonly (readonly (readonly (readonly number[])[])[])[]
  /** The same question with the low-rank path of image tokens switched off; absent where the model has none. */
  readonly ploraOff?: {
    readonly tokens: readonly { readonly text: string; readonly probability: number }[]
    /** How probable each token of the answer is without the path. */
    readonly teacherForced: readonly number[]
  }
}

const kept = new Map<string, Promise<Inside>>()

/** @throws AwayError, RefusedError (404 where the server has no such address) */
export function insideOf(conversation: string, message: string): Promise<Inside> {
  const known = kept.get(message)
  if (known) return known
  const asking = askInside(conversation, message)
  kept.set(message, asking)
  asking.catch(() => kept.delete(message))
  return asking
}

async function askInside(conversation: string, message: string): Promise<Inside> {
  const history = branchTo(opened.peek().get(conversation)?.messages ?? [], message)
  const answer = history.at(-1)
  return requestJson<Inside>('/v1/inside', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model: answer?.details.model ?? model.peek()?.id,
      messages: await modelMessages(history.slice(0, -1)),
      answer: answer?.text,
    }),
  })
}
