/**
 * Reads and checks training records (SPEC 11.3): a JSON array or JSON lines of conversations with images, or of plain texts
 * `{id, text}`. Files are outside data: every complaint is one line that names the file and the record. It knows nothing of
 * tokens or sampling.
 */
import { readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { z } from 'zod'
import { type ConfinedFile, confinedTo } from '../common/confined-path.js'
import { InputError } from '../common/errors.js'
import { firstIssue } from '../common/schema-issue.js'
import type { AugmentFlags } from '../train/augment.js'
import { checkConversation, type Message } from './conversation.js'

export interface ConversationRecord extends AugmentFlags {
  readonly kind: 'conversation'
  readonly messages: readonly Message[]
  /** Absolute paths, checked to lie inside the data file's directory. */
  readonly images: readonly string[]
}

export interface TextRecord {
  readonly kind: 'text'
  readonly text: string
}

export type TrainingRecord = ConversationRecord | TextRecord

/** Below V8's longest string. */
const MAX_FILE_BYTES = 500_000_000

const flag = z.boolean().optional()
const Conversation = z.object({
  image: z.union([z.string(), z.array(z.string())]).optional(),
  conversations: z.array(z.object({ from: z.string(), value: z.string() })),
  flip: flag,
  shift: flag,
  keepColour: flag,
})
const Text = z.object({ text: z.string().min(1) })

/**
 * The records of one data file.
 * @throws InputError when the file or any record of it is not as the format says, or an image is missing or outside the
 * file's directory
 */
export function readRecords(file: string): TrainingRecord[] {
  const parsed = parseFile(file)
  const imageFile = remembered(confinedTo(dirname(file)))
  const records = parsed.map(({ value, where }, index) => {
    try {
      return checkRecord(value, imageFile)
    } catch (error) {
      if (!(error instanceof InputError)) throw error
      throw new InputError(`${file}: record ${index}${where}: ${error.message}`)
    }
  })
  if (records.length === 0) throw new InputError(`${file}: no records; expected a JSON array or JSON lines of them`)
  return records
}

function parseFile(file: string): { value: unknown; where: string }[] {
  const text = readText(file)
  if (text.trimStart().startsWith('[')) {
    const whole = parseJson(text, file)
    if (!Array.isArray(whole)) throw new InputError(`${file}: expected a JSON array of records`)
    return whole.map((value) => ({ value, where: '' }))
  }
  const records: { value: unknown; where: string }[] = []
  text.split(/\r?\n/).forEach((line, i) => {
    const where = ` (line ${i + 1})`
    if (line.trim() !== '') records.push({ value: parseJson(line, `${file}: record ${records.length}${where}`), where })
  })
  return records
}

function readText(file: string): string {
  let bytes: Uint8Array
  try {
    const stat = statSync(file)
    if (!stat.isFile()) throw new InputError(`${file}: not a regular file, expected training records`)
    if (stat.size > MAX_FILE_BYTES)
      throw new InputError(`${file}: ${stat.size} bytes, at most ${MAX_FILE_BYTES}; split it into several files`)
    bytes = readFileSync(file)
  } catch (error) {
    if (error instanceof InputError) throw error
    throw new InputError(`${file}: cannot be read (${error instanceof Error && 'code' in error ? error.code : error})`)
  }
  try {
    // Drops a byte order mark.
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new InputError(`${file}: not valid UTF-8; save it as UTF-8 JSON`)
  }
}

function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    const reason = error instanceof Error ? error.message.replaceAll(/\s+/g, ' ').slice(0, 120) : error
    throw new InputError(`${where}: not JSON (${reason}); expected a JSON array, or one record a line`)
  }
}

function checkRecord(value: unknown, imageFile: ConfinedFile): TrainingRecord {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new InputError(`expected an object, got ${JSON.stringify(value).slice(0, 40)}`)
  if (Object.hasOwn(value, 'text') && !Object.hasOwn(value, 'conversations'))
    return { kind: 'text', text: parse(Text, value).text }
  const { image, conversations, flip, shift, keepColour } = parse(Conversation, value)
  const paths = image === undefined ? [] : typeof image === 'string' ? [image] : image
  checkConversation(conversations, paths.length)
  const images = paths.map(imageFile)
  const flags = { ...(flip && { flip }), ...(shift && { shift }), ...(keepColour && { keepColour }) }
  return { kind: 'conversation', messages: conversations.map(({ from, value }) => ({ from, value })), images, ...flags }
}

function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const { field, message } = firstIssue(result.error, value)
  throw new InputError(`${field || 'record'}: ${message}`)
}

/** Many records may name one image. */
function remembered(confined: ConfinedFile): ConfinedFile {
  const known = new Map<string, string>()
  return (path) => {
    const file = known.get(path) ?? imageOf(confined, path)
    known.set(path, file)
    return file
  }
}

function imageOf(confined: ConfinedFile, path: string): string {
  try {
    return confined(path)
  } catch (error) {
    throw error instanceof InputError ? new InputError(`image ${error.message}`) : error
  }
}
