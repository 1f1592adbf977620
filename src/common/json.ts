/**
 * Reading JSON that came with a model: one object, with a size limit, UTF-8 checked, and repeated keys refused (JSON.parse
 * keeps the last of them silently, so two readers could see two different models). It knows nothing of what the keys mean.
 */
import { readFileSync, statSync } from 'node:fs'
import { InputError } from './errors.js'
import { isLfsPointer, LFS_ADVICE } from './lfs-pointer.js'

/** Parses `bytes` as one JSON object. Throws InputError that starts with `what` (the file's name, and where in it). */
export function parseJsonObject(bytes: Uint8Array, what: string): Record<string, unknown> {
  if (isLfsPointer(bytes)) throw new InputError(`${what}: ${LFS_ADVICE}`)
  let text: string
  let value: unknown
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    value = JSON.parse(text)
  } catch (error) {
    throw new InputError(`${what}: expected a JSON object in UTF-8: ${(error as Error).message}`)
  }
  if (!isRecord(value)) throw new InputError(`${what}: expected a JSON object, got ${describe(value)}`)
  const twice = repeatedKey(text)
  if (twice !== undefined) throw new InputError(`${what}: the key "${twice}" stands twice in one object; remove one of them`)
  return value
}

/** Reads and parses a JSON file of at most `maxBytes`. Throws InputError. */
export function readJsonObject(file: string, maxBytes: number): Record<string, unknown> {
  const size = statFile(file)
  if (size > maxBytes) throw new InputError(`${file}: ${size} bytes, expected at most ${maxBytes}`)
  return parseJsonObject(readFileSync(file), file)
}

/** Size of a regular file. Throws InputError when it is missing or anything else (a directory, a pipe). */
export function statFile(file: string): number {
  const stat = statSync(file, { throwIfNoEntry: false })
  if (stat === undefined) throw new InputError(`${file}: no such file`)
  if (!stat.isFile()) throw new InputError(`${file}: expected a regular file`)
  return stat.size
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A value in an error message: short whatever it is. */
export function describe(value: unknown): string {
  let text: string
  try {
    text = JSON.stringify(value) ?? String(value)
  } catch {
    // JSON.parse takes any depth, JSON.stringify runs out of stack.
    text = 'a value nested too deeply to show'
  }
  return text.length <= 80 ? text : `${text.slice(0, 77)}...`
}

/** The first key that one object of `text` has twice. `text` must already be valid JSON. */
function repeatedKey(text: string): string | undefined {
  const open: (Set<string> | undefined)[] = []
  const token = /"(?:[^"\\]|\\.)*"(\s*:)?|[{}[\]]/g
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    const found = match[0]
    if (found === '{') open.push(new Set())
    else if (found === '[') open.push(undefined)
    else if (found === '}' || found === ']') open.pop()
    else if (match[1] !== undefined) {
      const key = JSON.parse(found.slice(0, found.lastIndexOf('"') + 1)) as string
      const keys = open.at(-1)
      if (keys?.has(key)) return key
      keys?.add(key)
    }
  }
  return undefined
}
