/**
 * Reading a file of JSON records: an array, or one record a line, whichever it is; blank lines, CRLF and a byte order mark are
 * fine. Every record knows the line on which it starts. What is no such file (parquet, tar, csv, ...) is refused by its name. It
 * knows nothing of what records mean.
 */
import { readFileSync, statSync } from 'node:fs'
import { InputError } from '../common/errors.js'
import type { Mistakes } from './mistakes.js'

/** Below V8's longest string. */
const MAX_FILE_BYTES = 500_000_000

export interface JsonRecord {
  readonly value: unknown
  /** `record 7 (line 9)`, records counted from 0 and lines from 1; found out when it is asked for. */
  where(): string
}

/**
 * The records of a file. A line that is not JSON goes to `mistakes`, and the others are read on.
 * @throws InputError when the file cannot be read, is no JSON, or an array that is broken
 */
export function readJsonRecords(file: string, mistakes: Mistakes): JsonRecord[] {
  const text = readText(file)
  if (text.trimStart().startsWith('[')) return arrayRecords(file, text)
  const records: JsonRecord[] = []
  let index = 0
  let line = 0
  // Not split into an array of lines: that would hold the text twice.
  for (let from = 0; from < text.length; line++) {
    const newline = text.indexOf('\n', from)
    const to = newline === -1 ? text.length : newline
    const one = text.slice(from, to).trim()
    from = to + 1
    if (one === '') continue
    const where = placed(index++, line + 1)
    try {
      records.push({ value: JSON.parse(one) as unknown, where })
    } catch (error) {
      if (index === 1) refuseOtherForms(file, text)
      mistakes.add(where(), `not JSON (${short(error)}); expected a JSON array, or one record a line`)
    }
  }
  return records
}

function placed(index: number, line: number): () => string {
  return () => `record ${index} (line ${line})`
}

function arrayRecords(file: string, text: string): JsonRecord[] {
  let whole: unknown
  try {
    whole = JSON.parse(text)
  } catch (error) {
    const at = /at position (\d+)/.exec((error as Error).message)?.[1]
    const line = at === undefined ? lastLine(text) : text.slice(0, Number(at)).split('\n').length
    throw new InputError(`${file}: line ${line}: not JSON (${short(error)}); expected a JSON array, or one record a line`)
  }
  if (!Array.isArray(whole)) throw new InputError(`${file}: expected a JSON array of records`)
  let lines: number[] | undefined
  return whole.map((value: unknown, index) => ({
    value,
    where: () => {
      lines ??= elementLines(text)
      return `record ${index} (line ${lines[index] ?? '?'})`
    },
  }))
}

/** On which line each element of a JSON array starts. `text` must be valid. */
function elementLines(text: string): number[] {
  const lines: number[] = []
  const token = /"(?:[^"\\]|\\.)*"|[[\]{},\n]|[^\s[\]{},"]+/g
  let line = 1
  let depth = 0
  let waiting = false
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    const [found] = match
    if (found === '\n') {
      line++
      continue
    }
    if (waiting && depth === 1 && found !== ']') {
      lines.push(line)
      waiting = false
    }
    if (found === '[' || found === '{') {
      depth++
      if (depth === 1) waiting = true
    } else if (found === ']' || found === '}') depth--
    else if (found === ',' && depth === 1) waiting = true
  }
  return lines
}

function short(error: unknown): string {
  return (error as Error).message.replaceAll(/\s+/g, ' ').slice(0, 120)
}

function lastLine(text: string): number {
  return text.trimEnd().split('\n').length
}

function readText(file: string): string {
  let bytes: Uint8Array
  try {
    const stat = statSync(file)
    if (!stat.isFile()) throw new InputError(`${file}: not a regular file, expected JSON records`)
    if (stat.size > MAX_FILE_BYTES)
      throw new InputError(`${file}: ${stat.size} bytes, at most ${MAX_FILE_BYTES}; split it into several files`)
    bytes = readFileSync(file)
  } catch (error) {
    if (error instanceof InputError) throw error
    throw new InputError(`${file}: cannot be read (${(error as NodeJS.ErrnoException).code ?? error}), expected JSON records`)
  }
  const form = formOfBytes(bytes)
  if (form !== undefined) throw new InputError(`${file}: ${form}, expected JSON records; convert it to JSON lines`)
  try {
    // Drops a byte order mark.
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new InputError(`${file}: not valid UTF-8; save it as UTF-8 JSON`)
  }
}

/** How files begin that people have their data in. */
const MAGICS: readonly (readonly [string, number, string])[] = [
  ['PAR1', 0, 'a Parquet file'],
  ['ustar', 257, 'a tar archive (WebDataset?)'],
  ['PK\u0003\u0004', 0, 'a ZIP archive'],
  ['\u001f\u008b', 0, 'a gzip file'],
  ['(\u00b5/\u00fd', 0, 'a Zstandard file'],
  ['ARROW1', 0, 'an Arrow file'],
  ['\u00ff\u00ff\u00ff\u00ff', 0, 'an Arrow stream'],
  ['SQLite format 3', 0, 'an SQLite database'],
  ['\u0080\u0004', 0, 'a Python pickle'],
  ['version https://git-lfs', 0, 'a Git LFS pointer, not the file itself (run git lfs pull)'],
]

function formOfBytes(bytes: Uint8Array): string | undefined {
  const head = Buffer.from(bytes.subarray(0, 300)).toString('latin1')
  return MAGICS.find(([magic, at]) => head.startsWith(magic, at))?.[2]
}

/** Refuses a text whose first line is no record because the whole is something else. */
function refuseOtherForms(file: string, text: string): void {
  const start = text.slice(0, 10_000).trimStart()
  const line = (start.split('\n')[0] ?? '').trim()
  const refuse = (what: string): never => {
    throw new InputError(`${file}: ${what}, expected a JSON array of records, or one record a line`)
  }
  if (start.startsWith('{')) {
    const fields = objectFields(text)
    if (fields !== undefined) refuse(`one JSON object (with ${fields.slice(0, 4).join(', ') || 'nothing'})`)
  } else if (start.startsWith('<')) refuse('HTML or XML')
  else if (line.includes('\t')) refuse('tab-separated values')
  else if (line.includes(',')) refuse('CSV')
}

function objectFields(text: string): string[] | undefined {
  try {
    return Object.keys(JSON.parse(text) as object)
  } catch {
    return undefined
  }
}
