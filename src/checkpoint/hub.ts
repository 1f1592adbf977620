/**
 * Downloading a model from a Hugging Face hub into the cache (hub-cache.ts). Files are named by their hash once they are whole and checked; a download
 * that broke off goes on where it stopped.
 */
import { createHash, type Hash } from 'node:crypto'
import { createReadStream, existsSync, lstatSync, renameSync, rmSync, statfsSync, statSync, symlinkSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { HubApiError, type ListFileEntry, listFiles, modelInfo } from '@huggingface/hub'
import { writeTextAtomically } from '../common/atomic.js'
import { InputError, XComposerError } from '../common/errors.js'
import { makeFolders } from '../common/folders.js'
import { describe } from '../common/json.js'
import { cachedSnapshot, cacheFolder, hubEndpoint, parseModelName } from './hub-cache.js'

/** What to download, and how. */
export interface PullOptions {
  /** Branch, tag or commit; default `main`. */
  readonly revision?: string
  /** Address of the hub; default `HF_ENDPOINT`, or https://huggingface.co. */
  readonly endpoint?: string
  /** Default `HF_TOKEN`. */
  readonly token?: string
  /** Cache folder; default `HF_HOME`, or ~/.cache/huggingface. */
  readonly home?: string
  /** Only what is in the cache. */
  readonly offline?: boolean
  readonly onProgress?: (progress: PullProgress) => void
  readonly signal?: AbortSignal
}

/** Bytes of all files together. */
export interface PullProgress {
  readonly file: string
  readonly done: number
  readonly total: number
}

/** A file that belongs to a model; code, images and other frameworks' weights stay where they are. */
const WANTED =
  /^(config\.json|generation_config\.json|preprocessor_config\.json|tokenizer\.model|tokenizer\.json|tokenizer_config\.json|README\.md|LICENSE|.*\.index\.json)$/
const SAFETENSORS = /^[^/]+\.safetensors$/
const TORCH = /^pytorch_model[^/]*\.bin$/
/** Times a cut connection is taken up again without a byte in between. */
const ATTEMPTS = 5
const MAX_FILES = 10_000

interface Remote {
  readonly path: string
  readonly size: number
  /** SHA-256 of the content for large files, git's hash of the blob for small ones. */
  readonly hash: string
  readonly sha256: boolean
}

interface Place {
  readonly endpoint: string
  readonly token: string | undefined
  readonly id: string
  readonly repo: string
}

/**
 * Brings a model into the cache and returns its directory.
 * @param model ORG/NAME, or the address of its page on the hub
 * @throws InputError for a wrong id, revision or address, a missing token, or a model that is not in the cache when offline; XComposerError when
 * the hub cannot be reached, the disk is too small, or what came is not what was announced
 */
export async function pull(model: string, options: PullOptions = {}): Promise<string> {
  const endpoint = hubEndpoint(options.endpoint)
  const { id, revision: named } = parseModelName(model, endpoint)
  if (named !== undefined && options.revision !== undefined && named !== options.revision)
    throw new InputError(`--revision: got ${describe(options.revision)}, but the address names ${describe(named)}`)
  const revision = options.revision ?? named ?? 'main'
  if (!/^[\w./-]+$/.test(revision) || revision.includes('..'))
    throw new InputError(`--revision: got ${describe(revision)}, expected a branch, tag or commit`)
  const repo = cacheFolder(id, options.home)
  const reference = join(repo, 'refs', revision)
  if (options.offline) {
    const snapshot = cachedSnapshot(repo, revision)
    if (snapshot === undefined)
      throw new InputError(`${id}: revision ${revision} is not in ${repo}; pull it without --offline first`)
    return snapshot
  }
  const token = options.token ?? process.env.HF_TOKEN
  if (token && !token.startsWith('hf_')) throw new InputError('HF_TOKEN: expected a key that starts with hf_')
  const place = { endpoint, token: token || undefined, id, repo }
  const { commit, files } = await announced(place, revision)
  const total = files.reduce((sum, { size }) => sum + size, 0)
  const snapshot = join(repo, 'snapshots', commit)
  makeFolders(join(repo, 'blobs'), 'HF_HOME')
  makeFolders(snapshot, 'HF_HOME')
  checkSpace(repo, files)
  let before = 0
  for (const file of files) {
    const report = (done: number) => options.onProgress?.({ file: file.path, done: before + done, total })
    await fetchBlob(place, commit, file, report, options.signal)
    link(blobOf(repo, file), join(snapshot, file.path))
    before += file.size
    report(0)
  }
  makeFolders(dirname(reference), 'HF_HOME')
  writeTextAtomically(reference, commit)
  return snapshot
}

/** The commit behind a revision and the files of it that make up a model. */
async function announced(place: Place, revision: string): Promise<{ commit: string; files: Remote[] }> {
  const { endpoint, token, id } = place
  const shared = { hubUrl: endpoint, ...(token ? { accessToken: token } : {}) }
  try {
    const { sha } = await modelInfo({ name: id, revision, additionalFields: ['sha'], ...shared })
    if (!/^[0-9a-f]{40}$/.test(sha))
      throw new XComposerError(`${endpoint}: commit ${describe(sha)}, expected 40 hexadecimal digits`)
    const entries: ListFileEntry[] = []
    for await (const entry of listFiles({ repo: id, revision: sha, recursive: true, ...shared })) {
      if (entries.push(entry) > MAX_FILES) throw new XComposerError(`${id}: more than ${MAX_FILES} files; not a model`)
    }
    return { commit: sha, files: chosen(id, entries) }
  } catch (error) {
    throw error instanceof HubApiError ? refused(place, revision, error.statusCode) : unreachable(place, error)
  }
}

function chosen(id: string, entries: readonly ListFileEntry[]): Remote[] {
  const files = entries.filter(({ type }) => type === 'file')
  const weights = files.some(({ path }) => SAFETENSORS.test(path)) ? SAFETENSORS : TORCH
  if (!files.some(({ path }) => weights.test(path))) {
    throw new InputError(`${id}: no .safetensors and no pytorch_model*.bin in it; not a model that can be read`)
  }
  return files.filter(({ path }) => WANTED.test(path) || weights.test(path)).map((entry) => remote(id, entry))
}

function remote(id: string, { path, size, oid, lfs }: ListFileEntry): Remote {
  const hash = lfs?.oid ?? oid ?? ''
  const bytes = lfs?.size ?? size
  if (!(lfs ? /^[0-9a-f]{64}$/ : /^[0-9a-f]{40}$/).test(hash) || !Number.isSafeInteger(bytes) || bytes < 0) {
    throw new XComposerError(
      `${id}: ${describe(path)}: the hub announces size ${describe(bytes)} and hash ${describe(hash)}; cannot be checked`,
    )
  }
  return { path, size: bytes, hash, sha256: lfs !== undefined }
}

const blobOf = (repo: string, { hash }: Remote): string => join(repo, 'blobs', hash)

function checkSpace(repo: string, files: readonly Remote[]): void {
  const missing = files.filter((file) => !existsSync(blobOf(repo, file))).reduce((sum, { size }) => sum + size, 0)
  const { bavail, bsize } = statfsSync(repo)
  if (missing > bavail * bsize) {
    throw new XComposerError(
      `${repo}: ${missing} bytes are still to come, but only ${bavail * bsize} are free; set HF_HOME to a larger disk`,
    )
  }
}

/** Downloads one file unless it is there; ends with it whole, checked and under its hash. */
async function fetchBlob(
  place: Place,
  commit: string,
  file: Remote,
  report: (done: number) => void,
  signal?: AbortSignal,
): Promise<void> {
  const blob = blobOf(place.repo, file)
  if (existsSync(blob)) return
  const partial = `${blob}.incomplete`
  let size = sizeOf(partial)
  if (size > file.size) {
    rmSync(partial)
    size = 0
  }
  for (let attempt = 0; size < file.size || !existsSync(partial); ) {
    signal?.throwIfAborted()
    const had = size
    const problem = await append(place, commit, file, partial, report, signal)
    size = sizeOf(partial)
    if (size > file.size) throw mismatch(file, partial, `${size} bytes came, ${file.size} were announced`)
    if (problem === undefined) continue
    attempt = size > had ? 0 : attempt + 1
    if (attempt >= ATTEMPTS) throw unreachable(place, problem)
  }
  const got = await hashOf(partial, file)
  if (got !== file.hash) throw mismatch(file, partial, `its hash is ${got}, ${file.hash} was announced`)
  renameSync(partial, blob)
}

function mismatch(file: Remote, partial: string, what: string): XComposerError {
  rmSync(partial, { force: true })
  return new XComposerError(`${file.path}: ${what}; it was thrown away, try again`)
}

/** Appends what is missing to the partial file; the error of a connection that broke, if one did. */
async function append(
  place: Place,
  commit: string,
  { path, size }: Remote,
  partial: string,
  report: (done: number) => void,
  signal?: AbortSignal,
): Promise<unknown> {
  const { endpoint, token, id } = place
  const from = sizeOf(partial)
  const url = `${endpoint}/${id}/resolve/${commit}/${path.split('/').map(encodeURIComponent).join('/')}`
  const headers = { ...(token ? { authorization: `Bearer ${token}` } : {}), ...(from > 0 ? { range: `bytes=${from}-` } : {}) }
  const handle = await open(partial, 'a')
  try {
    const response = await fetch(url, { headers, ...(signal ? { signal } : {}) })
    if (response.status >= 500) return new Error(`answered ${response.status}`)
    if (!response.ok) throw refused(place, commit, response.status)
    let done = from
    // Whoever ignores the range sends everything again.
    if (from > 0 && response.status !== 206) {
      await handle.truncate(0)
      done = 0
    }
    for await (const chunk of response.body ?? []) {
      // More than announced is never written far beyond it: the size is checked next.
      if (done > size) break
      await handle.write(chunk as Uint8Array)
      done += (chunk as Uint8Array).byteLength
      report(Math.min(done, size))
    }
    return done < size ? new Error('the connection ended early') : undefined
  } catch (error) {
    if (error instanceof XComposerError || signal?.aborted) throw error
    return error
  } finally {
    await handle.close()
  }
}

const sizeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0

async function hashOf(file: string, { size, sha256 }: Remote): Promise<string> {
  const hash: Hash = createHash(sha256 ? 'sha256' : 'sha1')
  if (!sha256) hash.update(`blob ${size}\0`)
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 22 })) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

/** A relative link, as the Python tools make them. */
function link(blob: string, name: string): void {
  if (lstatSync(name, { throwIfNoEntry: false })) rmSync(name)
  symlinkSync(relative(dirname(name), blob), name)
}

function refused({ endpoint, id, token }: Place, revision: string, status: number): InputError {
  if (status === 401 || status === 403) {
    const advice = token ? 'HF_TOKEN may not read it' : 'set HF_TOKEN, or check the name'
    return new InputError(`${id}: ${endpoint} answered ${status}; ${advice}`)
  }
  if (status === 404) return new InputError(`${id}: no such model or revision "${revision}" on ${endpoint}`)
  return new InputError(`${id}: ${endpoint} answered ${status}`)
}

function unreachable({ endpoint, id }: Place, error: unknown): unknown {
  if (error instanceof XComposerError) return error
  const { message, cause } = error as Error & { cause?: { code?: string } }
  return new XComposerError(
    `${id}: ${endpoint} cannot be reached (${cause?.code ?? message}); what came so far is kept, try again`,
  )
}
