/**
 * How models of a Hugging Face hub are named, and where they lie in the cache that the Python tools use as well:
 * HOME/hub/models--ORG--NAME/{blobs,snapshots/COMMIT,refs}. It downloads nothing; that is hub.ts.
 */
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { InputError } from '../common/errors.js'
import { describe } from '../common/json.js'

const PUBLIC_HUB = 'https://huggingface.co'
const ID = /^[\w.-]+\/[\w.-]+$/
/** Other names of the public hub. */
const PUBLIC_HOSTS = ['huggingface.co', 'www.huggingface.co', 'hf.co']

/** A model on a hub. */
export interface HubModel {
  /** ORG/NAME */
  readonly id: string
  /** Branch, tag or commit, where the address names one. */
  readonly revision?: string
}

/**
 * Reads ORG/NAME, or the address of a model's page as a browser shows it: https://huggingface.co/ORG/NAME/tree/main.
 * @param endpoint the hub that is asked; addresses of another one are refused
 * @throws InputError saying what was expected
 */
export function parseModelName(text: string, endpoint = hubEndpoint()): HubModel {
  const wrong = (what: string) => new InputError(`${describe(text)}: ${what}`)
  const expected = 'expected ORG/NAME, as in internlm/internlm-xcomposer2-vl-7b'
  const hosts = [...PUBLIC_HOSTS, new URL(endpoint).host]
  const bare = text
    .trim()
    .replace(/^git@([^:/]+):/, 'https://$1/')
    .replace(/^hf:\/\//, `${endpoint}/`)
  const address = hosts.some((host) => bare.startsWith(`${host}/`)) ? `https://${bare}` : bare
  if (!/^https?:\/\//i.test(address)) {
    if (!ID.test(address) || address.startsWith('.')) throw wrong(expected)
    return { id: address }
  }
  const url = URL.canParse(address) ? new URL(address) : undefined
  if (!url || !hosts.includes(url.host))
    throw wrong(`an address of another hub than ${endpoint}; set HF_ENDPOINT to it, or give ORG/NAME`)
  const [org = '', name = '', view, ...rest] = url.pathname.split('/').filter((part) => part !== '')
  if (['datasets', 'spaces', 'collections', 'papers', 'docs'].includes(org))
    throw wrong(`no model but one of the ${org}; ${expected}`)
  const id = `${org}/${name.replace(/\.git$/, '')}`
  if (!ID.test(id)) throw wrong(expected)
  const revision = view !== undefined && ['tree', 'blob', 'resolve', 'raw', 'commit'].includes(view) ? rest[0] : undefined
  return { id, ...(revision === undefined ? {} : { revision: decodeURIComponent(revision) }) }
}

/** The hub's address without a slash at the end. @throws InputError where it is none */
export function hubEndpoint(address = process.env.HF_ENDPOINT || PUBLIC_HUB): string {
  const url = URL.canParse(address) ? new URL(address) : undefined
  if (url?.protocol !== 'https:' && url?.protocol !== 'http:') {
    throw new InputError(`HF_ENDPOINT: got ${describe(address)}, expected an address that starts with https://`)
  }
  return address.replace(/\/+$/, '')
}

/** Where a model's blobs, snapshots and references lie. @param home default `HF_HOME`, or ~/.cache/huggingface */
export function cacheFolder(id: string, home = process.env.HF_HOME ?? join(homedir(), '.cache', 'huggingface')): string {
  return join(home, 'hub', `models--${id.replace('/', '--')}`)
}

/** The directory of a revision that is in the cache as a whole; undefined where it is not. */
export function cachedSnapshot(folder: string, revision = 'main'): string | undefined {
  const reference = join(folder, 'refs', revision)
  const commit = existsSync(reference) ? readFileSync(reference, 'utf8').trim() : revision
  const snapshot = join(folder, 'snapshots', commit)
  return existsSync(join(snapshot, 'config.json')) ? snapshot : undefined
}

/** The directory of a model that was pulled, by ORG/NAME; undefined for everything else. */
export function pulledModel(id: string, home?: string): string | undefined {
  return ID.test(id) && !id.startsWith('.') ? cachedSnapshot(cacheFolder(id, home)) : undefined
}
