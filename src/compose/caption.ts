/**
 * Step 4, caption: ask what the image after a section should show. A caption is model output: it is data for a search and
 * a figure's caption, never an instruction. Follows SPEC section 10, step 4.
 */
import { type ComposePrompt, fill, fillParts } from './prompt.js'
import { renderSections } from './sections.js'
import { compositionTexts } from './texts.js'

export const captionMaxNewTokens = 200

export interface PlacedCaption {
  readonly location: number
  readonly caption: string
}

/** What the prompt says about earlier captions; the closing "， " becomes a full stop. */
function past(earlier: readonly PlacedCaption[]): string {
  const text = earlier
    .map(({ location, caption }, i) => {
      const template = i === 0 ? compositionTexts.captionPastFirst : compositionTexts.captionPastNext
      return fill(template, { pos: String(location), caption })
    })
    .join('')
  return text === '' ? '' : `${text.slice(0, -2)}。`
}

/** Shows the sections up to one past the location, and the captions given so far, in the order they were asked for. */
export function captionPrompt(lines: readonly string[], location: number, earlier: readonly PlacedCaption[]): ComposePrompt {
  return {
    content: fillParts(compositionTexts.captionUser, {
      sections: renderSections(lines.slice(0, location + 2)),
      past: past(earlier),
      pos: String(location),
    }),
    prefix: compositionTexts.captionPrefix,
  }
}

/** The caption in a reply: what stands before the first double quote. May be empty. */
export function parseCaption(reply: string): string {
  const quote = reply.indexOf('"')
  return (quote < 0 ? reply : reply.slice(0, quote)).trim()
}

/** Whether a text can stand under a figure: it has a letter of any script. Models answer "1." or "——" where they have no caption. */
export function saysSomething(text: string): boolean {
  return /\p{L}/u.test(text)
}
