/** Fields that several endpoints share: what they may hold, and what they mean for the engine. Fields that nobody knows are ignored. */
import { z } from 'zod'
import type { EngineOptions } from '../engine.js'
import { fieldError } from '../errors.js'
import type { Tool, ToolChoice } from '../tools.js'

/** Most choices of a request. */
const MAX_CHOICES = 16
const MAX_STOPS = 16
const MAX_BIASES = 1024
const MAX_TOOLS = 128
const MAX_SCHEMA_CHARACTERS = 100_000

const wholeNumber = z.int()
export const model = z.string().nullish().describe('An id of /v1/models; the first model where it is left out.')
export const tokenLimit = wholeNumber.min(1).nullish()
export const topLogprobs = wholeNumber.min(0).max(20).nullish()

/** How ids are chosen. */
export const sampling = {
  temperature: z
    .number()
    .min(0)
    .max(2)
    .nullish()
    .describe('0, or nothing that asks for sampling: the likeliest token each time.'),
  top_p: z.number().min(0).max(1).nullish(),
  top_k: wholeNumber.min(-1).max(1_000_000).nullish().describe('0 and -1: off.'),
  repetition_penalty: z.number().min(0.01).max(10).nullish(),
  seed: wholeNumber.nullish(),
}

/** What only OpenAI's older endpoints have. */
export const choosing = {
  ...sampling,
  n: wholeNumber.min(1).max(MAX_CHOICES).nullish(),
  stop: z
    .union([z.string().min(1).max(256), z.array(z.string().min(1).max(256)).max(MAX_STOPS)], {
      error: `expected a text or a list of at most ${MAX_STOPS}`,
    })
    .nullish(),
  logit_bias: z
    .record(z.string().regex(/^\d{1,9}$/, 'expected the id of a token'), z.number().min(-100).max(100))
    .refine((biases) => Object.keys(biases).length <= MAX_BIASES, `expected at most ${MAX_BIASES} tokens`)
    .nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish().describe('0 alone: use repetition_penalty.'),
  presence_penalty: z.number().min(-2).max(2).nullish().describe('0 alone: use repetition_penalty.'),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
}

const jsonSchema = z
  .record(z.string(), z.unknown())
  .refine(
    (schema) => JSON.stringify(schema).length <= MAX_SCHEMA_CHARACTERS,
    `a schema of more than ${MAX_SCHEMA_CHARACTERS} characters`,
  )

export const responseFormat = z.discriminatedUnion(
  'type',
  [
    z.object({ type: z.literal('text') }),
    z.object({ type: z.literal('json_object') }),
    z.object({
      type: z.literal('json_schema'),
      json_schema: z.object({ name: z.string(), schema: jsonSchema.nullish(), strict: z.boolean().nullish() }),
    }),
  ],
  { error: 'expected the type text, json_object or json_schema' },
)

export const functionName = z.string().regex(/^[\w.-]{1,64}$/, 'expected 1 to 64 letters, digits, dots, dashes and underscores')
export const parameters = jsonSchema.nullish()
export const toolList = <T extends z.ZodType>(tool: T) => z.array(tool).max(MAX_TOOLS).nullish()

/** Options for the engine from the fields for sampling. Any of them asks for sampling, as does more than one choice; otherwise: greedy. */
export function samplingOptions(
  fields: { readonly [K in keyof typeof sampling]?: number | null | undefined },
  choices = 1,
): Pick<EngineOptions, 'temperature' | 'topP' | 'topK' | 'seed' | 'repetitionPenalty'> {
  const { temperature, top_p: topP, top_k: topK, seed, repetition_penalty: penalty } = fields
  const asked = [temperature, topP, topK, seed].some((value) => value != null) || choices > 1
  const drawn = asked && temperature !== 0 && topP !== 0
  return {
    ...(penalty == null ? {} : { repetitionPenalty: penalty }),
    ...(drawn ? { temperature: temperature ?? 1 } : {}),
    ...(drawn && topP != null ? { topP } : {}),
    ...(drawn && topK != null && topK > 0 ? { topK } : {}),
    // Seeds of OpenAI are 64 bits wide, and may be below 0.
    ...(drawn && seed != null ? { seed: ((seed % 2 ** 32) + 2 ** 32) % 2 ** 32 } : {}),
  }
}

/** Options for the engine from the fields of `choosing`. @throws ApiError for what is not done here */
export function choosingOptions(
  fields: { readonly [K in keyof typeof choosing]?: z.infer<(typeof choosing)[K]> },
  maxNewTokens: number | null | undefined,
): EngineOptions {
  for (const name of ['frequency_penalty', 'presence_penalty'] as const)
    if (fields[name]) throw fieldError(name, 'is not done here; use repetition_penalty', 'unsupported_parameter')
  if (fields.stream_options != null && fields.stream !== true)
    throw fieldError('stream_options', 'is for streams alone; set stream or leave it out')
  const stop = typeof fields.stop === 'string' ? [fields.stop] : (fields.stop ?? [])
  const biases = Object.entries(fields.logit_bias ?? {}).map(([id, bias]) => [Number(id), bias])
  return {
    ...samplingOptions(fields, fields.n ?? 1),
    ...(maxNewTokens == null ? {} : { maxNewTokens: Math.min(maxNewTokens, 2 ** 31 - 1) }),
    ...(stop.length > 0 ? { stop } : {}),
    ...(biases.length > 0 ? { logitBias: Object.fromEntries(biases) } : {}),
  }
}

/** What the answer must be. */
export function constraintOf(format: z.infer<typeof responseFormat> | null | undefined): Pick<EngineOptions, 'constraint'> {
  if (format == null || format.type === 'text') return {}
  const schema = format.type === 'json_schema' ? format.json_schema.schema : undefined
  return { constraint: schema == null ? { kind: 'json_object' } : { kind: 'json_schema', schema } }
}

/**
 * The tools that may be called.
 * @param choice `auto`, `none`, `required`, or the name of the one that must be called
 * @throws ApiError for a choice among no tools, or of one that is not there
 */
export function toolChoice(
  tools: readonly Tool[],
  choice: 'auto' | 'none' | 'required' | { readonly name: string },
): ToolChoice | undefined {
  if (choice === 'none') return undefined
  if (tools.length === 0) {
    if (choice === 'auto') return undefined
    throw fieldError('tool_choice', 'there are no tools to choose from; give some in "tools"')
  }
  if (typeof choice === 'string') return { tools, required: choice === 'required' }
  const named = tools.filter(({ name }) => name === choice.name)
  if (named.length === 0) throw fieldError('tool_choice', `no tool is called ${JSON.stringify(choice.name)}`)
  return { tools: named, required: true }
}
