/**
 * Records whose images were read from a file are all usable before work begins: each image is decoded once. What cannot be used ends
 * the work, or is left out and counted. The same rule for training and for measuring.
 */
import { badImageLines, checkImages } from './check-images.js'
import { MistakesError, SHOWN } from './mistakes.js'

export interface UsableOptions {
  /** Leave out what has an image that is missing or cannot be decoded. */
  readonly skipBad: boolean
  /** What was left out before, one line each: images that are missing. */
  readonly missing?: readonly string[]
  /** Told what is left out, the first ten of it. */
  readonly onNotice?: (line: string) => void
  readonly signal?: AbortSignal
}

/**
 * The records without those of bad images.
 * @param groups records of several files, each with its name
 * @throws MistakesError naming the first ten images that cannot be decoded, unless they are to be left out
 */
export async function withUsableImages<T extends { readonly images?: readonly string[] | undefined; where(): string }>(
  groups: readonly { readonly file: string; readonly records: readonly T[] }[],
  { skipBad, missing = [], onNotice, signal }: UsableOptions,
): Promise<T[][]> {
  const uses = groups.flatMap(({ file: of, records }) =>
    records.flatMap((record) => {
      const where = record.images?.length ? `${of}: ${record.where()}` : ''
      return (record.images ?? []).map((file) => ({ file, where }))
    }),
  )
  const bad = await checkImages(uses, signal ? { signal } : {})
  if (bad.length > 0 && !skipBad) {
    throw new MistakesError([
      `${bad.length} image(s) cannot be used; mend them, or leave out what names them with --skip-bad:`,
      ...badImageLines(bad).map((line) => `  ${line}`),
    ])
  }
  const lines = [...missing, ...badImageLines(bad, Number.POSITIVE_INFINITY)]
  for (const line of lines.slice(0, SHOWN)) onNotice?.(`left out: ${line}`)
  if (lines.length > SHOWN) onNotice?.(`left out: and ${lines.length - SHOWN} more`)
  const files = new Set(bad.map(({ file }) => file))
  return groups.map(({ records }) => records.filter((record) => !record.images?.some((file) => files.has(file))))
}
