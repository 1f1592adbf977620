/**
 * `POST /v1/inside`: how an answer came about: how sure the model was of each token, where it looked in the images, layer by layer, and what it
 * says with the adapter of image tokens (PLoRA) off. Not among OpenAI's addresses; messages are as in chat completions.
 */
import { z } from 'zod'
import { chosenModel, type RequestContext, type ServerContext } from '../context.js'
import { chatMessages } from '../dialogue.js'
import { inTurn, jsonBody } from '../respond.js'
import { message, turnOf } from './chat-completions.js'
import * as fields from './fields.js'

export const insideRequest = z.object({
  model: fields.model,
  messages: z.array(message).min(1),
  answer: z.string().nullish().describe("The answer to look into; without it the model's own."),
  max_tokens: fields.tokenLimit,
  alternatives: z.int().min(0).max(20).nullish().describe('Other tokens beside each of the answer; default 5.'),
})

export async function inside(c: RequestContext, server: ServerContext): Promise<Response> {
  const asked = await jsonBody(c, server, insideRequest)
  const model = chosenModel(server.engine, asked.model)
  const messages = await chatMessages(asked.messages.map(turnOf), [], 'messages', model, server, c.get('abort').signal)
  const request = {
    model: model.id,
    messages,
    ...(asked.answer == null ? {} : { answer: asked.answer }),
    ...(asked.max_tokens == null ? {} : { maxNewTokens: asked.max_tokens }),
    ...(asked.alternatives == null ? {} : { alternatives: asked.alternatives }),
    cacheScope: c.get('cacheScope'),
  }
  const found = await inTurn(c, server, 'messages', (engine, signal) => engine.inside(request, signal))
  return c.json({ object: 'inside', model: model.id, ...found })
}
