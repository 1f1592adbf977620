/** `POST /v1/completions`: texts continued as they stand, without the turns of a chat. */
import { z } from 'zod'
import type { ChosenLogprob } from '../../generate/logprobs.js'
import { type AnswerPlan, answers, type ChoiceEvent, totalUsage } from '../answers.js'
import { chosenModel, type RequestContext, type ServerContext } from '../context.js'
import { checkedText } from '../dialogue.js'
import type { EngineUsage } from '../engine.js'
import { event } from '../event-stream.js'
import { answerBody, answerStream, jsonBody } from '../respond.js'
import * as fields from './fields.js'
import { finite, timingsObject, usageObject } from './usage.js'

const MAX_PROMPTS = 16

const notHere = z.null({ error: 'is not done here; leave it out' }).optional()

export const completionRequest = z.object({
  model: fields.model,
  prompt: z.union([z.string(), z.array(z.string()).min(1).max(MAX_PROMPTS)], {
    error: `expected a text or a list of at most ${MAX_PROMPTS}`,
  }),
  ...fields.choosing,
  max_tokens: fields.tokenLimit,
  logprobs: z.int().min(0).max(20).nullish(),
  echo: z.literal(false, { error: 'is not done here; leave it out' }).nullish(),
  best_of: z.literal(1, { error: 'is not done here; use n' }).nullish(),
  suffix: notHere,
})
type CompletionRequest = z.infer<typeof completionRequest>

/** As OpenAI's. */
const DEFAULT_TOKENS = 16

export async function completions(c: RequestContext, server: ServerContext): Promise<Response> {
  const asked = await jsonBody(c, server, completionRequest)
  const model = chosenModel(server.engine, asked.model)
  const prompts = [asked.prompt].flat().map((text) => ({ kind: 'text' as const, text: checkedText(text, model, 'prompt') }))
  const options = {
    ...fields.choosingOptions(asked, asked.max_tokens ?? DEFAULT_TOKENS),
    ...(asked.logprobs == null ? {} : { logprobs: asked.logprobs }),
  }
  const plan: AnswerPlan = { model, prompts, n: asked.n ?? 1, options }
  const base = {
    id: `cmpl-${c.get('requestId')}`,
    object: 'text_completion',
    created: Math.floor(Date.now() / 1000),
    model: model.id,
  }
  const events = answers(c, server, plan)
  const choices = prompts.length * plan.n
  if (asked.stream) return answerStream(c, server, 'prompt', chunks(events, base, asked, plan.n), 'data: [DONE]\n\n')
  return answerBody(c, events, 'prompt', (all) => whole(all, base, choices, plan.n))
}

function whole(events: readonly ChoiceEvent[], base: object, choices: number, n: number) {
  const each = Array.from({ length: choices }, (_, index) => events.filter(({ choice }) => choice === index))
  const ends = each.map((own) => own.at(-1)).flatMap((end) => (end?.type === 'end' ? [end] : []))
  const usages = ends.map(({ usage }) => usage)
  return {
    ...base,
    choices: each.map((own, index) => {
      const texts = own.flatMap((one) => (one.type === 'text' ? [one] : []))
      const known = texts.flatMap(({ logprobs }) => logprobs ?? [])
      return {
        index,
        text: texts.map(({ text }) => text).join(''),
        finish_reason: ends[index]?.finishReason,
        logprobs: texts.some(({ logprobs }) => logprobs) ? logprobsObject(known, 0) : null,
      }
    }),
    usage: usageObject(totalUsage(usages, n)),
    ...(ends[0] ? { timings: timingsObject(ends[0].timings) } : {}),
  }
}

/** The older form of log-probabilities: lists side by side. @param offset of the first token in the text */
function logprobsObject(known: readonly ChosenLogprob[], offset: number) {
  let at = offset
  return {
    tokens: known.map(({ text }) => text),
    token_logprobs: known.map(({ logprob }) => finite(logprob)),
    top_logprobs: known.map(({ top }) => Object.fromEntries(top.map(({ text, logprob }) => [text, finite(logprob)]))),
    text_offset: known.map(({ text }) => {
      at += text.length
      return at - text.length
    }),
  }
}

async function* chunks(
  events: AsyncIterable<ChoiceEvent>,
  base: object,
  { stream_options: streamOptions, logprobs }: CompletionRequest,
  n: number,
): AsyncGenerator<string, void, void> {
  const withUsage = streamOptions?.include_usage === true
  const chunk = (choices: readonly object[], more: object = {}) => event({ ...base, choices, ...more })
  const ends: EngineUsage[] = []
  const offsets = new Map<number, number>()
  for await (const one of events) {
    const index = one.choice
    if (one.type === 'text') {
      const known = one.logprobs ?? []
      if (one.text === '' && known.length === 0) continue
      const offset = offsets.get(index) ?? 0
      offsets.set(index, offset + known.reduce((sum, { text }) => sum + text.length, 0))
      const shown = logprobs == null ? null : logprobsObject(known, offset)
      yield chunk([{ index, text: one.text, finish_reason: null, logprobs: shown }])
    } else if (one.type === 'end') {
      ends[index] = one.usage
      yield chunk([{ index, text: '', finish_reason: one.finishReason, logprobs: null }], { timings: timingsObject(one.timings) })
    }
  }
  if (withUsage) yield chunk([], { usage: usageObject(totalUsage(ends, n)) })
}
