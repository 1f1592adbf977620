/** The pieces of a vocabulary as a trie of their bytes, so that pieces that begin alike are looked at once. */
import type { Tokenizer } from '../../text/tokenizer.js'

/** Nodes in depth-first order, children by byte. */
export interface TokenTrie {
  /** Byte that leads to each node. */
  readonly bytes: Uint8Array
  /** Depth of each node, from 1. */
  readonly depths: Uint16Array
  /** The node behind the last one below each node. */
  readonly skip: Int32Array
  /** Ids that end at node i: ids[first[i]] up to ids[first[i + 1]]. */
  readonly first: Int32Array
  readonly ids: Int32Array
  /** Bytes of the longest piece. */
  readonly longest: number
}

const tries = new WeakMap<Tokenizer, TokenTrie>()

/** The trie of a tokenizer; made once (about 0.2 s for 92,544 pieces). */
export function tokenTrie(tokenizer: Tokenizer): TokenTrie {
  const known = tries.get(tokenizer)
  if (known) return known
  const trie = build(tokenizer)
  tries.set(tokenizer, trie)
  return trie
}

function build(tokenizer: Tokenizer): TokenTrie {
  const pieces: { readonly id: number; readonly bytes: Uint8Array }[] = []
  for (let id = 0; id < tokenizer.size; id++) {
    const bytes = tokenizer.bytesOf(id)
    if (bytes && bytes.length > 0) pieces.push({ id, bytes })
  }
  pieces.sort((a, b) => Buffer.compare(a.bytes, b.bytes))
  const most = pieces.reduce((sum, { bytes }) => sum + bytes.length, 0)
  const bytes = new Uint8Array(most)
  const depths = new Uint16Array(most)
  const skip = new Int32Array(most)
  const first = new Int32Array(most + 1)
  const ids = new Int32Array(pieces.length)
  // Nodes on the way to the piece before, from depth 1.
  const path: number[] = []
  let before = new Uint8Array(0)
  let nodes = 0
  let longest = 0
  for (const [i, { id, bytes: own }] of pieces.entries()) {
    let common = 0
    while (common < before.length && common < own.length && before[common] === own[common]) common++
    for (const node of path.splice(common)) skip[node] = nodes
    for (let depth = common; depth < own.length; depth++) {
      bytes[nodes] = own[depth] as number
      depths[nodes] = depth + 1
      first[nodes] = i
      path.push(nodes++)
    }
    ids[i] = id
    before = own as Uint8Array<ArrayBuffer>
    longest = Math.max(longest, own.length)
  }
  for (const node of path) skip[node] = nodes
  first[nodes] = pieces.length
  return {
    bytes: bytes.slice(0, nodes),
    depths: depths.slice(0, nodes),
    skip: skip.slice(0, nodes),
    first: first.slice(0, nodes + 1),
    ids,
    longest,
  }
}
