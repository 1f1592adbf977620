/** `POST /v1/embeddings`: texts, tokens and images as vectors of length 1. */
import { z } from 'zod'
import { chosenModel, type RequestContext, type ServerContext } from '../context.js'
import { checkedText } from '../dialogue.js'
import type { EmbeddingInput, EngineModel } from '../engine.js'
import { fieldError } from '../errors.js'
import { imageBytes } from '../images.js'
import { inTurn, jsonBody } from '../respond.js'
import * as fields from './fields.js'

const MAX_INPUTS = 256

const ids = z.array(z.int().min(0)).min(1)
const text = z.object({ type: z.literal('text'), text: z.string() })
const image = z.object({ type: z.literal('image_url'), image_url: z.object({ url: z.string() }) })
const item = z.union(
  [z.string(), ids, z.discriminatedUnion('type', [text, image], { error: 'expected a part of the type text or image_url' })],
  {
    error: 'expected a text, a list of token ids, or a part of the type text or image_url',
  },
)

export const embeddingRequest = z.object({
  model: fields.model,
  input: z.union([z.string(), ids, z.array(item).min(1).max(MAX_INPUTS)], {
    error: `expected a text, a list of token ids, or a list of at most ${MAX_INPUTS} inputs`,
  }),
  encoding_format: z.enum(['float', 'base64']).nullish(),
  dimensions: z.int().min(1).nullish(),
})

export async function embeddings(c: RequestContext, server: ServerContext): Promise<Response> {
  const asked = await jsonBody(c, server, embeddingRequest)
  const model = chosenModel(server.engine, asked.model)
  if (asked.dimensions != null && asked.dimensions !== model.hiddenSize)
    throw fieldError('dimensions', `embeddings of ${model.id} have ${model.hiddenSize} dimensions, got ${asked.dimensions}`)
  const inputs = await read(c, server, model, asked.input)
  const found = await inTurn(c, server, 'input', (engine, signal) => engine.embed(model.id, inputs, signal))
  const tokens = found.reduce((sum, one) => sum + one.tokens, 0)
  c.get('logged').prompt_tokens = tokens
  const encode = asked.encoding_format === 'base64' ? base64 : (vector: Float32Array) => [...vector]
  return c.json({
    object: 'list',
    model: model.id,
    data: found.map(({ vector }, index) => ({ object: 'embedding', index, embedding: encode(vector) })),
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  })
}

/** Little-endian f32, as OpenAI's clients read it. */
function base64(vector: Float32Array): string {
  return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString('base64')
}

type Input = z.infer<typeof embeddingRequest>['input']

async function read(c: RequestContext, server: ServerContext, model: EngineModel, input: Input): Promise<EmbeddingInput[]> {
  const items =
    typeof input === 'string' || typeof input[0] === 'number' ? [input as string | number[]] : (input as z.infer<typeof item>[])
  const inputs: EmbeddingInput[] = []
  let images = 0
  for (const [i, one] of items.entries()) {
    const param = items.length === 1 && !Array.isArray(input) ? 'input' : `input.${i}`
    if (typeof one === 'string') inputs.push({ text: checkedText(one, model, param) })
    else if (Array.isArray(one)) {
      if (one.length > model.contextLength)
        throw fieldError(param, `${one.length} tokens, at most ${model.contextLength} fit`, 'context_length_exceeded')
      inputs.push({ ids: one })
    } else if (one.type === 'text') inputs.push({ text: checkedText(one.text, model, `${param}.text`) })
    else {
      const field = `${param}.image_url.url`
      if (!model.vision) throw fieldError(field, `the model ${model.id} takes no images`, 'unsupported_image')
      if (++images > server.maxImages) throw fieldError(field, `at most ${server.maxImages} images are taken`, 'too_many_images')
      const asked = { url: one.image_url.url, param: field, detail: 'auto' as const }
      inputs.push({ image: await imageBytes(asked, server.fetchImage, c.get('abort').signal) })
    }
  }
  return inputs
}
