/**
 * Step 8, edit: the prompts that rework one paragraph or add one beside it. Only builders and the reading of the reply;
 * whoever edits runs them. Follows SPEC section 10, step 8.
 */
import { InputError } from '../common/errors.js'
import { type ComposePrompt, fill, textPart } from './prompt.js'
import { editTexts } from './texts.js'

/** One edit of the paragraph `text`. `material` may be empty; a missing neighbour is the empty string. */
export type Edit =
  | { readonly kind: 'expand' | 'rewrite'; readonly text: string; readonly material?: string }
  | { readonly kind: 'abbreviate'; readonly text: string }
  | { readonly kind: 'insert_before'; readonly text: string; readonly previous?: string; readonly outline: string }
  | { readonly kind: 'insert_after'; readonly text: string; readonly next?: string; readonly outline: string }

/** @throws InputError when an insertion has no outline. */
export function editPrompt(edit: Edit): ComposePrompt {
  return { content: [textPart(editText(edit))], prefix: '' }
}

function editText(edit: Edit): string {
  const { text } = edit
  switch (edit.kind) {
    case 'expand':
    case 'rewrite':
      return fill(editTexts[edit.kind], { text, material: edit.material ?? '' })
    case 'abbreviate':
      return fill(editTexts.abbreviate, { text })
    case 'insert_before':
      return fill(editTexts.insertBefore, { previous: edit.previous ?? '', text, outline: outlineOf(edit) })
    case 'insert_after':
      return fill(editTexts.insertAfter, { text, next: edit.next ?? '', outline: outlineOf(edit) })
  }
}

function outlineOf(edit: { readonly kind: string; readonly outline: string }): string {
  if (edit.outline.trim() === '') {
    throw new InputError(`${edit.kind}: expected an outline of the new paragraph, got an empty text; say what it should tell`)
  }
  return edit.outline
}

/** The new paragraph in a reply: one line. */
export function parseEdit(reply: string): string {
  return reply.replace(/\n/g, ' ')
}
