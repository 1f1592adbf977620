/** What the demo's page says in each language, and what its tasks are called. */

export type Language = 'en' | 'zh'

/** The language that a question is asked in. */
export function languageOf(text: string): Language {
  return /\p{Script=Han}/u.test(text) ? 'zh' : 'en'
}

/** For the `lang` attribute. */
export const htmlLanguage = { en: 'en', zh: 'zh-Hans' } as const

/** Says things in each language. */
type Both = Readonly<Record<Language, string>>

const tasks: Readonly<Record<string, Both>> = {
  naming_known: { en: 'Naming things in styles it knows', zh: '说出名称（见过的画风）' },
  naming_unseen: { en: 'Naming things in a style it never saw', zh: '说出名称（没见过的画风）' },
  flags: { en: 'Facts about the country of a flag', zh: '由国旗回答国家知识' },
  ocr: { en: 'Reading a word', zh: '读出文字' },
  pointing: { en: 'Pointing at a thing', zh: '指出位置' },
  counting: { en: 'Counting things', zh: '数数' },
  charts: { en: 'Reading a chart', zh: '读图表' },
}

/** A task without its language or whether its drawings are held out: one line of the summary. */
export function taskGroup(task: string): string {
  return task.replace(/_(en|zh)$/, '').replace(/_held_out$/, '')
}

/** What people call a group of tasks; one that is not known here keeps its name. */
export function taskName(group: string, language: Language): string {
  return tasks[group]?.[language] ?? group.replaceAll('_', ' ')
}

/** A card's words. */
export const cardWords = {
  en: {
    right: 'Right',
    wrong: 'Wrong',
    answer: 'Its answer',
    expected: 'Right answer',
    noAnswer: '(no answer)',
    likeliest: 'Its three likeliest answers',
    noneLikely: 'No answer is complete within the length.',
    isRight: 'right',
    seen: (side: number) => `What the model sees: ${side} × ${side} pixels`,
    enlarged: (side: number) => `What the model sees: ${side} × ${side} pixels, enlarged`,
    picture: (question: string) => `The picture that is asked about: ${question}`,
    boxAnswered: 'the model’s box',
    boxExpected: 'the right box',
    noBox: 'The answer is no box.',
    overlap: (iou: string) => `Overlap (IoU) ${iou}; right from 0.50`,
  },
  zh: {
    right: '正确',
    wrong: '错误',
    answer: '模型的回答',
    expected: '正确答案',
    noAnswer: '（没有回答）',
    likeliest: '最可能的三个回答',
    noneLikely: '在长度限制内没有完整的回答。',
    isRight: '正确',
    seen: (side: number) => `模型看到的：${side} × ${side} 像素`,
    enlarged: (side: number) => `模型看到的：${side} × ${side} 像素（放大显示）`,
    picture: (question: string) => `题目的图片：${question}`,
    boxAnswered: '模型给出的框',
    boxExpected: '正确的框',
    noBox: '回答中没有框。',
    overlap: (iou: string) => `重叠度（IoU）${iou}；达到 0.50 为正确`,
  },
} as const
