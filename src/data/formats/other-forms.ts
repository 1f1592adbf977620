/** Records of forms that people have and that are not taken: named, with what to do, instead of "expected an array, got nothing". */
import { InputError } from '../../common/errors.js'
import type { RawRecord } from './format.js'

interface OtherForm {
  /** Fields that all have to be there. */
  readonly fields: readonly string[]
  readonly name: string
  readonly advice: string
}

const AS_CONVERSATIONS = 'write it as conversations of {from, value} or as messages of {role, content}'

const OTHER_FORMS: readonly OtherForm[] = [
  { fields: ['video'], name: 'a record with a video', advice: 'leave it out, or save frames as images' },
  { fields: ['videos'], name: 'a record with videos', advice: 'leave it out, or save frames as images' },
  { fields: ['audio'], name: 'a record with sound', advice: 'leave it out' },
  {
    fields: ['chosen', 'rejected'],
    name: 'a preference pair (chosen, rejected)',
    advice: `only answers to learn are taken; ${AS_CONVERSATIONS}`,
  },
  { fields: ['instruction', 'output'], name: 'an Alpaca record (instruction, output)', advice: AS_CONVERSATIONS },
  { fields: ['prompt', 'completion'], name: 'a pair of prompt and completion', advice: AS_CONVERSATIONS },
  { fields: ['query', 'response'], name: 'a pair of query and response', advice: AS_CONVERSATIONS },
  { fields: ['items'], name: 'a ShareGPT record with items', advice: 'call the field conversations' },
  {
    fields: ['conversation'],
    name: 'a ShareGPT record with conversation',
    advice: 'call the field conversations, its turns {from, value}',
  },
  { fields: ['dialog'], name: 'a record with dialog', advice: AS_CONVERSATIONS },
  { fields: ['question', 'answers', 'scorer'], name: 'a question of eval', advice: `to learn from it, ${AS_CONVERSATIONS}` },
  { fields: ['question', 'answer'], name: 'a pair of question and answer', advice: AS_CONVERSATIONS },
  { fields: ['question', 'answers'], name: 'a question with answers', advice: AS_CONVERSATIONS },
  { fields: ['caption'], name: 'an image with a caption', advice: AS_CONVERSATIONS },
  {
    fields: ['images', 'annotations'],
    name: 'a COCO file',
    advice: `one record for each image is expected; ${AS_CONVERSATIONS}`,
  },
]

/** @param recognised whether a format takes the record @throws InputError naming the form, when the record is of one that is not taken */
export function refuseOtherForm(record: RawRecord, recognised: boolean): void {
  const video = ['video', 'videos', 'audio'].find((field) => record[field] !== undefined && record[field] !== null)
  const known = recognised || Object.hasOwn(record, 'conversations') || Object.hasOwn(record, 'messages')
  if (known && video === undefined) return
  const form = OTHER_FORMS.find(({ fields }) => fields.every((field) => record[field] !== undefined && record[field] !== null))
  if (form) throw new InputError(`${form.name} is not taken; ${form.advice}`)
  if (known) return
  const fields = Object.keys(record).slice(0, 6).join(', ') || 'none'
  throw new InputError(`neither conversations nor messages nor text in it (fields: ${fields}); ${AS_CONVERSATIONS}`)
}
