/**
 * What a library says about its images: `library.json` in the folder, checked, or else the file's own name. Reads no
 * image. The file is hostile until checked: it names files only, and library.ts decides whether they may be opened.
 */
import { lstat, readFile } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { InputError } from '../common/errors.js'
import { firstIssue } from '../common/schema-issue.js'

/** A text in one or both languages. */
export interface Localized {
  readonly en?: string
  readonly zh?: string
}

/** What is known of one image. */
export interface Label {
  readonly name: Localized
  readonly captions: Localized
  readonly credit?: string
}

const largestFile = 16 * 1024 * 1024
const text = z.string().max(2000)
const localized = z.union([text, z.object({ en: text.optional(), zh: text.optional() })])
const labelsFile = z
  .array(
    z.object({
      file: z.string().min(1).max(1000),
      name: localized.optional(),
      caption: localized.optional(),
      credit: text.optional(),
    }),
  )
  .max(100_000)

/** Bare texts count as Chinese when they hold a Chinese character. */
function localize(value: z.infer<typeof localized> | undefined): Localized {
  const { en, zh } = typeof value === 'string' ? (/\p{Script=Han}/u.test(value) ? { zh: value } : { en: value }) : (value ?? {})
  return { ...(en?.trim() ? { en: en.trim() } : {}), ...(zh?.trim() ? { zh: zh.trim() } : {}) }
}

/** `river-bank_02.jpg` -> `river bank 02`. */
export function nameOfFile(file: string): Localized {
  const base = path.basename(file, path.extname(file)).normalize('NFC')
  return localize(base.replace(/[-_.+\s]+/g, ' ').trim() || base)
}

/**
 * The labels of `dir/library.json` by the file they name (relative to dir, as written); empty without that file.
 * @throws InputError when the file is not what it should be.
 */
export async function readLabels(dir: string): Promise<Map<string, Label>> {
  const file = path.join(dir, 'library.json')
  const raw = await readBounded(file)
  if (raw === undefined) return new Map()
  let json: unknown
  try {
    json = JSON.parse(raw.replace(/^\uFEFF/, ''))
  } catch (cause) {
    throw new InputError(`${file}: expected JSON, ${cause instanceof Error ? cause.message : 'got something else'}`, { cause })
  }
  const parsed = labelsFile.safeParse(json)
  if (!parsed.success) {
    const { field, message } = firstIssue(parsed.error, json)
    throw new InputError(`${file}: ${field || 'file'}: ${message}; expected [{"file", "name"?, "caption"?, "credit"?}, ...]`)
  }
  return new Map(
    parsed.data.map((entry) => {
      const name = localize(entry.name)
      const credit = entry.credit?.trim()
      const label = { name: name.en || name.zh ? name : nameOfFile(entry.file), captions: localize(entry.caption) }
      return [entry.file, credit ? { ...label, credit } : label]
    }),
  )
}

/** Undefined when there is no such file. A link or a pipe under this name is refused, not followed or waited for. */
async function readBounded(file: string): Promise<string | undefined> {
  try {
    const info = await lstat(file)
    if (!info.isFile()) throw new InputError(`${file}: expected a regular file`)
    if (info.size > largestFile) throw new InputError(`${file}: expected at most ${largestFile} bytes, got ${info.size}`)
    return await readFile(file, 'utf8')
  } catch (error) {
    if (error instanceof InputError) throw error
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    throw new InputError(`${file}: cannot be read (${code ?? message})`, { cause: error })
  }
}
