/**
 * The strings of chat, training and evaluation prompts, as data (SPEC 8 and 12); composition and editing keep theirs in
 * `compose/`. Templates are trusted text: control pieces in them become ids, `{name}` are slots that user text fills.
 */

/** Where the reference reads an image inside a prompt string; in our own prompts images are parts, never spelled. */
export const IMAGE_PLACEHOLDER = '<ImageHere>'
/** The same in composition prompts. */
export const COMPOSITION_PLACEHOLDER = '<image>'

export const turnTexts = {
  system: '[UNUSED_TOKEN_146]system\n{text}[UNUSED_TOKEN_145]\n',
  user: '[UNUSED_TOKEN_146]user\n{text}[UNUSED_TOKEN_145]\n',
  assistant: '[UNUSED_TOKEN_146]assistant\n{text}[UNUSED_TOKEN_145]\n',
  assistantOpen: '[UNUSED_TOKEN_146]assistant\n',
} as const

/** The meta instruction of chat; the demos append a newline. */
export const metaChat =
  'You are an AI assistant whose name is InternLM-XComposer (浦语·灵笔).\n' +
  '- InternLM-XComposer (浦语·灵笔) is a multi-modality conversational language model that is developed by Shanghai AI Laboratory (上海人工智能实验室). It is designed to be helpful, honest, and harmless.\n' +
  '- InternLM-XComposer (浦语·灵笔) can understand and communicate fluently in the language chosen by the user such as English and 中文.\n' +
  '- InternLM-XComposer (浦语·灵笔) is capable of comprehending and articulating responses effectively based on the provided image.'

/** How each family of benchmarks words its prompt. */
export const evaluationTexts = {
  multipleChoice:
    '[UNUSED_TOKEN_146]user\nQuestion: {question}\nContext: {context_or_NA}\nOptions: {options}[UNUSED_TOKEN_145]\n[UNUSED_TOKEN_146]assistant\nThe answer is',
  multipleChoiceOption: '{letter}. {text} ',
  noContext: 'N/A',
  mmmuChoice:
    '[UNUSED_TOKEN_146]user\nQuestion: {question}\nOptions: {options}[UNUSED_TOKEN_145]\n[UNUSED_TOKEN_146]assistant\nThe answer is',
  mmmuOption: '({letter}) {text}\n',
  short:
    '[UNUSED_TOKEN_146]user\nAnswer the question using a single word or phrase.{question}[UNUSED_TOKEN_145]\n[UNUSED_TOKEN_146]assistant\n',
  plain: '[UNUSED_TOKEN_146]user\n{question}[UNUSED_TOKEN_145]\n[UNUSED_TOKEN_146]assistant\n',
  mme: '[UNUSED_TOKEN_146]user\n{question_before_Please_answer} Answer this question briefly[UNUSED_TOKEN_145]\n[UNUSED_TOKEN_146]assistant\n',
  detail:
    '[UNUSED_TOKEN_146]system\n{meta_chat}[UNUSED_TOKEN_145]\n[UNUSED_TOKEN_146]user\n{question}Answer this question in detail.[UNUSED_TOKEN_145]\n[UNUSED_TOKEN_146]assistant\n',
} as const
