/** What is inside an answer: asked once for each, and kept while the page is open. */
import type { Inside } from '../../../src/chat/look-inside'
import { branchTo } from '../../../src/server/app-api/branch'
import { requestJson } from '../lib/api'
import { modelMessages } from './answers'
import { opened } from './conversations'
import { model } from './models'

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
