/**
 * A folder of images as a searchable collection, held in memory. Knows no model: search is by the words of names and
 * captions, in English and Chinese. Stands in for the image search of SPEC section 10, step 5.
 */
import { realpath, stat } from 'node:fs/promises'
import path from 'node:path'
import { InputError } from '../common/errors.js'
import { limited } from '../common/limited.js'
import { buildIndex } from './bm25.js'
import { imageReader, listImages } from './files.js'
import { type Localized, nameOfFile, readLabels } from './labels.js'

export type { Localized } from './labels.js'

export interface LibraryItem {
  /** First 32 hex digits of the sha256 of the file's bytes. */
  readonly id: string
  /** Absolute path. */
  readonly file: string
  readonly name: Localized
  readonly captions: Localized
  readonly credit?: string
}

export interface SearchResult {
  readonly item: LibraryItem
  readonly score: number
}

export interface Library {
  readonly dir: string
  /** In the order of their relative paths. */
  readonly items: readonly LibraryItem[]
  /** One line for each thing that was left out, and why. */
  readonly warnings: readonly string[]
  /** At most `k` images that share a word with the query, best first, without those whose id is in `exclude`. */
  search(query: string, k: number, exclude?: ReadonlySet<string>): SearchResult[]
}

const nameWeight = 2

/** Files read at the same time. */
const AT_ONCE = 6

/** Files of a library that are all decoded when it is opened: seconds for drawings, a minute for photos. */
const MOST_DECODED = 1000

export interface OpenLibraryOptions {
  /** `done` of `total` files are read and decoded. */
  readonly onProgress?: (done: number, total: number) => void
  readonly signal?: AbortSignal
}

/**
 * Read a folder of images, with `library.json` if it has one:
 * `[{"file": "a.png", "name": {"en": "Harbour", "zh": "港口"}, "caption": {...}, "credit": "..."}]`. Images it does not
 * list go by their file names. Images that cannot be decoded are left out with a warning (in a folder of over 1,000 files those
 * that are cut or no images; decode the others when they are used). Files with the same bytes count once.
 * @example const library = await openLibrary('images'); library.search('old harbour at dusk', 4)
 * @throws InputError when the folder or its library.json cannot be used.
 */
export async function openLibrary(dir: string, options: OpenLibraryOptions = {}): Promise<Library> {
  const root = await realFolder(dir)
  const labels = new Map([...(await readLabels(root))].map(([file, label]) => [path.normalize(file), label]))
  const warnings: string[] = []
  const listed = await listImages(root, warnings)
  // Labelled files first, so that of several copies the one that has a name stays.
  const files = new Set([...labels.keys(), ...listed])

  const read = imageReader(root, files.size <= MOST_DECODED)
  const turn = limited(AT_ONCE)
  let done = 0
  const images = await Promise.all(
    [...files].map((relative) =>
      turn(async () => {
        options.signal?.throwIfAborted()
        const image = await read(relative)
        options.onProgress?.(++done, files.size)
        return { relative, image }
      }),
    ),
  )
  const items = new Map<string, LibraryItem & { readonly relative: string }>()
  let duplicates = 0
  for (const { relative, image } of images) {
    if (typeof image === 'string') {
      warnings.push(`${relative}: ${image}; left out`)
      continue
    }
    const id = image.hash.slice(0, 32)
    if (items.has(id)) {
      duplicates++
      continue
    }
    const label = labels.get(relative) ?? { name: nameOfFile(relative), captions: {} }
    items.set(id, { id, file: image.file, ...label, relative })
  }
  if (duplicates > 0) warnings.push(`${duplicates} file${duplicates === 1 ? '' : 's'} with the same bytes as another; left out`)

  const sorted = [...items.values()]
    .sort((a, b) => (a.relative < b.relative ? -1 : 1))
    .map(({ relative: _, ...item }): LibraryItem => item)
  return libraryOf(root, sorted, warnings)
}

/** A library of items that are known already. */
export function libraryOf(dir: string, items: readonly LibraryItem[], warnings: readonly string[] = []): Library {
  const find = buildIndex(
    items.map(({ name, captions }) => [
      { text: `${name.en ?? ''} ${name.zh ?? ''}`, weight: nameWeight },
      { text: `${captions.en ?? ''} ${captions.zh ?? ''}`, weight: 1 },
    ]),
  )
  return {
    dir,
    items,
    warnings,
    search(query, k, exclude = new Set()) {
      const results: SearchResult[] = []
      for (const { document, score } of find(query)) {
        if (results.length >= k) break
        const item = items[document]
        if (item !== undefined && !exclude.has(item.id)) results.push({ item, score })
      }
      return results
    },
  }
}

async function realFolder(dir: string): Promise<string> {
  const root = await realpath(dir).catch((error: NodeJS.ErrnoException) => {
    throw new InputError(`${dir}: expected a folder of pictures, got ${error.code === 'ENOENT' ? 'nothing there' : error.code}`, {
      cause: error,
    })
  })
  if (!(await stat(root)).isDirectory()) throw new InputError(`${dir}: expected a folder of pictures, got a file`)
  return root
}
