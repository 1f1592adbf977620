/**
 * What a training run is made of, as text by field: the recipe's values, and the files behind its paths by content. A state belongs to
 * it, so that a run is not continued with another recipe or other data; where the files lie does not matter, so a run may be moved.
 */
import { createHash } from 'node:crypto'
import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import type { Recipe } from './recipe.js'

/** Value by field, both as a recipe writes them. */
export type RunIdentity = Readonly<Record<string, string>>

/** Fields that say how a run is done, not what comes out; `train` and `warmupSteps` follow from others. */
const FREE: ReadonlySet<string> = new Set([
  'file',
  'out',
  'threads',
  'drawThreads',
  'probe',
  'checkpointEvery',
  'keep',
  'dtype',
  'train',
  'warmupSteps',
])

/** Reads what the recipe names; images are not among it. */
export function runIdentity(recipe: Recipe): RunIdentity {
  const fields: Record<string, string> = {}
  const add = (name: string, value: unknown): void => {
    if (value === undefined) return
    if (Array.isArray(value) && value.some((v) => typeof v === 'object'))
      for (const [i, v] of value.entries()) add(`${name}[${i}]`, v)
    else if (typeof value === 'object' && value !== null && !Array.isArray(value))
      for (const [field, v] of Object.entries(value)) add(name ? `${name}.${snakeCase(field)}` : snakeCase(field), v)
    else fields[name] = typeof value === 'string' ? valueOrContent(value) : JSON.stringify(value)
  }
  const { start, ...rest } = recipe
  add('', Object.fromEntries(Object.entries(rest).filter(([field]) => !FREE.has(field))))
  add('', 'from' in start ? { from: start.from } : { 'init.config': start.config })
  return fields
}

/** One line for each field that is not the same, with both values. */
export function differences(before: RunIdentity, now: RunIdentity): string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(now)])]
    .filter((field) => before[field] !== now[field])
    .map((field) => {
      const [from, to] = [before[field] ?? 'not given', now[field] ?? 'not given']
      const content = [from, to].every((value) => value.startsWith(CONTENT))
      return content ? `${field}: the file's content is another (${from}, now ${to})` : `${field} was ${from}, is ${to}`
    })
}

/** Undefined for what no run has written. */
export function parseIdentity(text: string | undefined): RunIdentity | undefined {
  try {
    const value: unknown = JSON.parse(text ?? '')
    return typeof value === 'object' && value !== null ? (value as RunIdentity) : undefined
  } catch {
    return undefined
  }
}

const CONTENT = 'sha256 '

/** A path that a recipe has resolved becomes the hash of what is there; other text stands for itself. */
function valueOrContent(value: string): string {
  const stat = isAbsolute(value) ? statSync(value, { throwIfNoEntry: false }) : undefined
  if (stat?.isFile()) return CONTENT + shortHash(createHash('sha256'), [value])
  if (!stat?.isDirectory()) return value
  // A model: its configuration by content, its tensors by name and size, since reading all of them takes too long.
  const hash = createHash('sha256')
  const files = readdirSync(value).sort()
  for (const name of files.filter((f) => /\.(safetensors|bin|pt|pth)$/.test(f)))
    hash.update(`${name} ${statSync(join(value, name)).size}\n`)
  return (
    CONTENT +
    shortHash(
      hash,
      files.filter((f) => f === 'config.json').map((f) => join(value, f)),
    )
  )
}

function shortHash(hash: ReturnType<typeof createHash>, files: readonly string[]): string {
  const part = Buffer.allocUnsafe(1 << 20)
  for (const file of files) {
    const fd = openSync(file, 'r')
    try {
      for (let read = readSync(fd, part); read > 0; read = readSync(fd, part)) hash.update(part.subarray(0, read))
    } finally {
      closeSync(fd)
    }
  }
  return hash.digest('hex').slice(0, 16)
}

function snakeCase(field: string): string {
  return field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}
