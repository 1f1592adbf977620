/**
 * The file of replies of a measurement, written line by line as they come, and taken up again after an interrupt. While a run is
 * unfinished, `FILE.run.json` beside it says what run it is; a run of other questions, another model or other options does not
 * mix with it. It knows nothing of how replies come.
 */
import { createHash } from 'node:crypto'
import { closeSync, fsyncSync, ftruncateSync, openSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { writeAll, writeTextAtomically } from '../common/atomic.js'
import { InputError } from '../common/errors.js'
import { isRecord } from '../common/json.js'
import type { Question } from '../data/questions.js'
import type { Prediction } from './evaluate.js'

/** What a run is; replies of equal runs may stand in one file. */
export interface RunIdentity {
  /** A fingerprint of the questions asked. */
  readonly questions: string
  /** A fingerprint of the model, or why there is none. */
  readonly model: string
  /** Options that change replies, by name. */
  readonly options: Readonly<Record<string, string | number | boolean>>
}

/** Replies of a run on disk; `finish` or `close` it. */
export class PredictionsFile {
  private constructor(
    private readonly file: string,
    private readonly fd: number,
    /** Replies of an earlier call, by question id. */
    readonly replies: ReadonlyMap<string, string>,
    private readonly questions: ReadonlyMap<string, Question>,
  ) {}

  /**
   * Begins the file, or takes it up where an unfinished run of the same identity left it; a half-written last line is cut off.
   * @throws InputError when the file belongs to an unfinished run that differs, naming in what, or cannot be written
   */
  static open(file: string, identity: RunIdentity, questions: readonly Question[]): PredictionsFile {
    const known = new Map(questions.map((question) => [question.id, question]))
    // A run that ended before its first reply left nothing to mix with.
    const begun = (statSync(file, { throwIfNoEntry: false })?.size ?? 0) > 0
    const before = begun ? readIdentity(runFile(file)) : undefined
    if (before !== undefined) checkSame(file, before, identity)
    const kept = before === undefined ? { replies: new Map<string, string>(), bytes: 0 } : readReplies(file, known)
    try {
      if (before === undefined) writeTextAtomically(runFile(file), `${JSON.stringify(identity, null, 2)}\n`)
      const fd = openSync(file, 'a')
      ftruncateSync(fd, kept.bytes)
      return new PredictionsFile(file, fd, kept.replies, known)
    } catch (cause) {
      throw unwritable(file, cause)
    }
  }

  /** Appends one reply; it is in the file when this returns. @throws InputError when the disk does not take it */
  add({ id, task, reply, correct }: Prediction): void {
    const { question, answers } = this.questions.get(id) ?? {}
    try {
      writeAll(this.fd, Buffer.from(`${JSON.stringify({ id, task, question, reply, answers, correct })}\n`, 'utf8'))
    } catch (cause) {
      throw unwritable(this.file, cause)
    }
  }

  /** The run is complete: the file stands for itself. */
  finish(): void {
    fsyncSync(this.fd)
    rmSync(runFile(this.file), { force: true })
  }

  close(): void {
    closeSync(this.fd)
  }
}

/** A fingerprint of questions, their images' names and sizes included. @param root what image paths are seen from */
export function questionsFingerprint(questions: readonly Question[], root: string): string {
  const hash = createHash('sha256')
  for (const { id, task, images, question, answers, scorer } of questions) {
    const files = images.map((file) => [relative(root, file), statSync(file, { throwIfNoEntry: false })?.size ?? 0])
    hash.update(`${JSON.stringify([id, task, files, question, answers, scorer])}\n`)
  }
  return hash.digest('hex').slice(0, 16)
}

/** A fingerprint of a model directory: contents of its small files, names, sizes and times of its large ones. */
export function modelFingerprint(dir: string): string {
  const hash = createHash('sha256')
  for (const name of readdirSync(dir).sort()) {
    const stat = statSync(join(dir, name), { throwIfNoEntry: false })
    if (!stat?.isFile() || !/\.(safetensors|bin|pth?|model|json)$/.test(name) || name === 'scores.json') continue
    hash.update(`${name} ${stat.size} `)
    hash.update(stat.size < 10_000_000 ? readFileSync(join(dir, name)) : `${stat.mtimeMs}`)
  }
  return hash.digest('hex').slice(0, 16)
}

function runFile(file: string): string {
  return join(dirname(file), `${basename(file)}.run.json`)
}

function readIdentity(file: string): RunIdentity | undefined {
  if (statSync(file, { throwIfNoEntry: false }) === undefined) return undefined
  try {
    const value = JSON.parse(readFileSync(file, 'utf8')) as unknown
    if (isRecord(value) && isRecord(value.options)) return value as unknown as RunIdentity
  } catch {
    // Said below, whatever is wrong with it.
  }
  throw new InputError(`--predictions: ${file} is broken; delete it to begin anew`)
}

function checkSame(file: string, before: RunIdentity, now: RunIdentity): void {
  const differs: string[] = []
  if (before.questions !== now.questions) differs.push('other questions')
  if (before.model !== now.model) differs.push('another model')
  for (const name of new Set([...Object.keys(before.options), ...Object.keys(now.options)])) {
    const [was, is] = [before.options[name], now.options[name]]
    if (was !== is) differs.push(`${name} ${was ?? 'left out'} instead of ${is ?? 'left out'}`)
  }
  if (differs.length === 0) return
  throw new InputError(
    `--predictions: ${file} holds replies of an unfinished run with ${differs.join(', ')}; finish that run, name another file, or delete ${runFile(file)} to begin anew`,
  )
}

/** Complete lines only: what stands behind the last line break was being written when the run ended. */
function readReplies(file: string, questions: ReadonlyMap<string, Question>): { replies: Map<string, string>; bytes: number } {
  const replies = new Map<string, string>()
  if (statSync(file, { throwIfNoEntry: false }) === undefined) return { replies, bytes: 0 }
  const bytes = readFileSync(file)
  const end = bytes.lastIndexOf(0x0a) + 1
  const lines = bytes.subarray(0, end).toString('utf8').split('\n').slice(0, -1)
  for (const [i, line] of lines.entries()) {
    const { id, reply } = parsed(line)
    if (typeof id !== 'string' || typeof reply !== 'string' || !questions.has(id) || replies.has(id))
      throw new InputError(`--predictions: ${file}:${i + 1}: no reply of this run; delete ${runFile(file)} to begin anew`)
    replies.set(id, reply)
  }
  return { replies, bytes: end }
}

function parsed(line: string): Record<string, unknown> {
  try {
    const value = JSON.parse(line) as unknown
    return isRecord(value) ? value : {}
  } catch {
    return {}
  }
}

function unwritable(file: string, cause: unknown): InputError {
  const { code, message } = cause as NodeJS.ErrnoException
  return new InputError(`--predictions: ${file} cannot be written (${code ?? message}); name a file in a folder that exists`, {
    cause,
  })
}
