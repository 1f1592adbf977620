/**
 * Step 5, retrieve: the images of the library that may go with a caption. The reference asked a public image search; a
 * local library stands in its place. Follows SPEC section 10, step 5 (query of 53 characters, four candidates).
 */
import { basename } from 'node:path'
import { checkImage } from '../image/check.js'
import type { Library, LibraryItem } from '../library/library.js'

export const candidateCount = 4
const queryLength = 53

export interface Candidate {
  readonly item: LibraryItem
  /** Text match, higher is better; 0 when nothing matched and the image is offered for want of a better one. */
  readonly score: number
}

/** What is searched for: the caption, trimmed and cut to 53 characters. */
export function searchQuery(caption: string): string {
  return [...caption.trim()].slice(0, queryLength).join('')
}

/**
 * At most four images, best first, none of them in `used`. Queries are tried in turn until one matches; when none does,
 * the first unused images are offered with score 0, since the model that selects can still look at them.
 * Images deleted or damaged since the library was read are added to `gone` with their names and passed over.
 */
export async function retrieve(
  library: Library,
  queries: readonly string[],
  used: ReadonlySet<string>,
  gone: Map<string, string>,
): Promise<Candidate[]> {
  for (const query of queries) {
    const found = await readable((exclude) => library.search(query, candidateCount, exclude), used, gone)
    if (found.length > 0) return found
  }
  const unused = (exclude: ReadonlySet<string>) =>
    library.items
      .filter((item) => !exclude.has(item.id))
      .slice(0, candidateCount)
      .map((item) => ({ item, score: 0 }))
  return readable(unused, used, gone)
}

/** Ask again without the images that turned out to be gone, until all that are offered can be read. */
async function readable(
  offer: (exclude: ReadonlySet<string>) => Candidate[],
  used: ReadonlySet<string>,
  gone: Map<string, string>,
): Promise<Candidate[]> {
  for (;;) {
    const candidates = offer(new Set([...used, ...gone.keys()]))
    const before = gone.size
    for (const { item } of candidates) {
      if ((await checkImage(item.file)) !== undefined) gone.set(item.id, basename(item.file))
    }
    if (gone.size === before) return candidates
  }
}
