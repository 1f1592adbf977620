/**
 * The prompt strings of text-image composition and paragraph editing, as data. The wording is what the official composition
 * model was trained on, so it stays Chinese whatever the article's language. Knows no logic: `{name}` are slots that
 * prompt.ts fills. Turns are text/texts.ts. Follows SPEC section 10.
 */

export const metaArticle =
  'You are an AI assistant whose name is InternLM-XComposer (浦语·灵笔).\n' +
  '- InternLM-XComposer (浦语·灵笔) is a conversational language model that is developed by Shanghai AI Laboratory (上海人工智能实验室). It is designed to be helpful, honest, and harmless.\n' +
  '- InternLM-XComposer (浦语·灵笔) can understand and communicate fluently in the language chosen by the user such as English and 中文.\n'

export const instructionTexts = {
  en: 'Write a short illustrated article about {subject}.',
  zh: '写一篇关于{subject}的图文短文。',
} as const

export const compositionTexts = {
  sectionLine: '<Seg{i}> {paragraph}\n',
  locateUser: '给定文章"{sections}" 根据上述文章，选择适合插入图像的{count}行',
  locatePrefix: '适合插入图像的行是',
  captionUser: '给定文章"{sections}" {past}给出适合在<Seg{pos}>后插入的图像对应的标题。',
  captionPrefix: '标题是"',
  captionPastFirst: '现在<Seg{pos}>后插入图像对应的标题是"{caption}"， ',
  captionPastNext: '<Seg{pos}>后插入图像对应的标题是"{caption}"， ',
  selectUser: '根据给定上下文和候选图像，选择合适的配图：{context}候选图像包括: {candidates}',
  selectPrefix: '最合适的图是',
} as const

export const editTexts = {
  expand: '扩写以下段落：{text}\n基于以下素材：{material}',
  rewrite: '改写以下段落：{text}\n基于以下素材：{material}',
  abbreviate: '缩写以下段落：{text}',
  insertBefore: '在以下两段中插入一段。\n第一段：{previous}\n第二段：{text}\n插入段的大纲：{outline}',
  insertAfter: '在以下两段中插入一段。\n第一段：{text}\n第二段：{next}\n插入段的大纲：{outline}',
} as const
