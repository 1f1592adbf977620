/**
 * Reads a tokenizer.json with tokenizer_config.json beside it: byte-level BPE (Llama 3, Qwen and others). Text is cut into pieces by
 * `@huggingface/tokenizers`; special tokens are taken out of what it knows, so that text which spells one stays text.
 */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Tokenizer as Encoder } from '@huggingface/tokenizers'
import { z } from 'zod'
import { InputError } from '../common/errors.js'
import { readJsonObject } from '../common/json.js'
import { firstIssue } from '../common/schema-issue.js'

const MAX_BYTES = 256 * 1024 * 1024
const id = z.number().int().min(0).max(10_000_000)
const stage = z.looseObject({ type: z.string(), decoders: z.array(z.looseObject({ type: z.string() })).optional() })
const schema = z.looseObject({
  added_tokens: z.array(z.looseObject({ id, content: z.string(), special: z.boolean().default(false) })).default([]),
  normalizer: z.unknown().default(null),
  pre_tokenizer: z.unknown().default(null),
  post_processor: z.unknown().default(null),
  decoder: stage,
  model: z.looseObject({ type: z.literal('BPE'), vocab: z.record(z.string(), id), unk_token: z.string().nullish() }),
})
const token = z.union([z.string(), z.looseObject({ content: z.string() })]).nullish()
const configSchema = z.looseObject({ bos_token: token, eos_token: token, clean_up_tokenization_spaces: z.boolean().nullish() })

/** What a tokenizer.json says. */
export interface JsonTokenizer {
  /** By id; the bytes of a piece, or the text of a special token. A number without a piece is a hole. */
  readonly pieces: readonly ({ readonly text: string; readonly special: boolean; readonly bytes: Uint8Array } | undefined)[]
  readonly bos: string
  readonly eos: string
  readonly cleanUp: boolean
  /** Ids of plain text: never one of a special token. */
  encode(text: string): number[]
}

function checked<T>(form: z.ZodType<T>, json: unknown, file: string): T {
  const parsed = form.safeParse(json)
  if (parsed.success) return parsed.data
  const { field, message } = firstIssue(parsed.error, json)
  throw new InputError(`${file}: field "${field}": ${message}; only byte-level BPE is read`)
}

/** The bytes that byte-level vocabularies spell as characters: printable ones as themselves, others from U+0100 on. */
function byteOfCharacter(): Map<string, number> {
  const map = new Map<string, number>()
  let next = 256
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174
    map.set(String.fromCharCode(printable ? byte : next++), byte)
  }
  return map
}

/** @throws InputError for another kind of tokenizer, or a file that is missing or damaged */
export function readTokenizerJson(file: string): JsonTokenizer {
  const json = checked(schema, readJsonObject(file, MAX_BYTES), file)
  const { decoder, model } = json
  if (decoder.type !== 'ByteLevel' && !decoder.decoders?.some(({ type }) => type === 'ByteLevel'))
    throw new InputError(
      `${file}: decoder "${decoder.type}" is not supported, only byte-level BPE is read; use its tokenizer.model`,
    )
  const configFile = join(dirname(file), 'tokenizer_config.json')
  if (!existsSync(configFile)) throw new InputError(`${configFile}: no such file; a tokenizer.json needs it beside it`)
  const config = checked(configSchema, readJsonObject(configFile, MAX_BYTES), configFile)
  const named = (field: 'bos_token' | 'eos_token', fallback?: string): string => {
    const value = config[field]
    const text = typeof value === 'string' ? value : (value?.content ?? fallback)
    if (text === undefined) throw new InputError(`${configFile}: field "${field}": missing, expected the token's text`)
    return text
  }
  const eos = named('eos_token')
  const bos = named('bos_token', eos)
  const special = new Set(json.added_tokens.filter((t) => t.special).map((t) => t.content))
  for (const text of [bos, eos]) special.add(text)
  const bytes = byteOfCharacter()
  const pieces: JsonTokenizer['pieces'][number][] = []
  for (const [text, at] of Object.entries(model.vocab))
    pieces[at] = { text, special: special.has(text), bytes: Uint8Array.from([...text].map((c) => bytes.get(c) ?? 0xff)) }
  for (const { id: at, content } of json.added_tokens)
    pieces[at] = { text: content, special: special.has(content), bytes: new TextEncoder().encode(content) }
  const vocab = Object.fromEntries(Object.entries(model.vocab).filter(([text]) => !special.has(text) || text === model.unk_token))
  const added = json.added_tokens.filter((t) => !special.has(t.content))
  let encoder: Encoder
  try {
    encoder = new Encoder({ ...json, added_tokens: added, model: { ...model, vocab } }, config)
  } catch (error) {
    throw new InputError(`${file}: cannot be read (${error instanceof Error ? error.message : error})`)
  }
  const encode = (text: string) => encoder.encode(text, { add_special_tokens: false }).ids
  return { pieces: Array.from(pieces), bos, eos, cleanUp: config.clean_up_tokenization_spaces ?? true, encode }
}
