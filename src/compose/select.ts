/**
 * Step 6, select: show the model the text so far, the images already chosen and the candidates, and read its letter.
 * Follows SPEC section 10, step 6.
 */
import { type ComposePart, type ComposePrompt, fillParts, imagePart, textPart } from './prompt.js'
import { compositionTexts } from './texts.js'

export const selectMaxNewTokens = 10
const letters = 'ABCD'

/** An image that was chosen earlier and the section it follows. */
export interface Chosen {
  readonly location: number
  readonly file: string
}

/** The text from the start to `location`, broken by the images chosen so far (in ascending order of location). */
function context(lines: readonly string[], location: number, chosen: readonly Chosen[]): ComposePart[] {
  const text = (from: number, to: number) =>
    textPart(
      lines
        .slice(from, to)
        .map((line) => `${line}\n`)
        .join(''),
    )
  const parts: ComposePart[] = []
  let from = 0
  for (const image of chosen) {
    parts.push(text(from, image.location + 1), imagePart(image.file))
    from = image.location + 1
  }
  return [...parts, text(from, location + 1)]
}

/** Images stand in the prompt in this order: chosen ones, then candidates `A.` to `D.`, one per line. */
export function selectPrompt(
  lines: readonly string[],
  location: number,
  chosen: readonly Chosen[],
  candidates: readonly string[],
): ComposePrompt {
  const choices = candidates.flatMap((file, i) => [textPart(`${i === 0 ? '' : '\n'}${letters[i] ?? '?'}.`), imagePart(file)])
  return {
    content: fillParts(compositionTexts.selectUser, { context: context(lines, location, chosen), candidates: choices }),
    prefix: compositionTexts.selectPrefix,
  }
}

/** The index of the candidate that a reply names by its first letter; anything else means the first one. */
export function parseSelection(reply: string, candidates: number): number {
  const letter = reply.trim().charAt(0)
  const index = letter === '' ? -1 : letters.indexOf(letter)
  return index >= 0 && index < candidates ? index : 0
}
