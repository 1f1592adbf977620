/** What is inside an answer: asked once for each, and kept while the page is open. */
import { branchTo } from '../../../src/server/app-api/branch'
import { requestJson } from '../lib/api'
import { modelMessages } from './answers'
import { opened } from './conversations'
import { model } from './models'

interface TokenProbability {
  readonly id: number
  readonly text: string
  /** 0 to 1. */
  readonly probability: number
}

export interface InsideToken extends TokenProbability {
  /** The most probable tokens in this place, the chosen one often among them. */
  readonly alternatives: readonly TokenProbability[]
}

/** A grid of image tokens, row by row; a tiled model sees an image as a whole and as tiles. */
export interface ImageView {
  /** Counts the images of the messages from 0. */
  readonly image: number
  readonly kind: 'whole' | 'tiles'
  readonly rows: number
  readonly columns: number
  /** False where tokens show no place of their own. */
  readonly placed: boolean
}

/** Of `POST /v1/inside`, as `lookInside` gives it. */
export interface Inside {
  readonly tokens: readonly InsideToken[]
  readonly views: readonly ImageView[]
  readonly attention: {
    readonly layers: readonly number[]
    /** [layers][tokens][views][rows * columns]: weight of each cell, mean over heads. */
    readonly image: readonly (readonly (readonly (readonly number[])[])[])[]
    /** [layers][tokens]: weight of all image tokens. */
    readonly imageShare: readonly (readonly number[])[]
  }
  /** The same question with the low-rank path of image tokens switched off; absent where the model has none. */
  readonly adapterOff?: {
    readonly text: string
    /** How probable each token of the answer is without the path. */
    readonly sameAnswer: readonly number[]
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
