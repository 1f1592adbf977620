/**
 * Step 3, locate: ask after which sections an image belongs, and read the answer. Does not know which images there are.
 * Follows SPEC section 10, step 3.
 */
import { type ComposePrompt, fillParts } from './prompt.js'
import { renderSections } from './sections.js'
import { compositionTexts } from './texts.js'

export const locateMaxNewTokens = 200

/** `count` lines are asked for; undefined leaves the number to the model. */
export function locatePrompt(lines: readonly string[], count?: number): ComposePrompt {
  return {
    content: fillParts(compositionTexts.locateUser, {
      sections: renderSections(lines),
      count: count === undefined ? '' : String(count),
    }),
    prefix: compositionTexts.locatePrefix,
  }
}

/** The section numbers that a reply names, in its order. Skips what is out of range, named twice or no number. */
export function parseLocations(reply: string, sectionCount: number): number[] {
  const found = new Set<number>()
  for (const match of reply.matchAll(/<Seg([0-9]+)>/g)) {
    const location = Number(match[1])
    if (location < sectionCount) found.add(location)
  }
  return [...found]
}

/** `count` of `allowed`, evenly spaced: where images go when the model names no section. */
export function evenLocations(allowed: readonly number[], count: number): number[] {
  const n = Math.min(count, allowed.length)
  return Array.from({ length: n }, (_, i) => allowed[Math.floor(((i + 0.5) * allowed.length) / n)]).filter((x) => x !== undefined)
}
