// The wording of every picture question, in one place: training, evaluation and the tokenizer sample share it.
// In each list the first entry is the wording of the evaluation; slots are {n} a name, {m} another name, {b} a box.

export const ask = {
  name: {
    en: ['What is this?', 'What is in the picture?', 'Name this.', 'What do you see?'],
    zh: ['这是什么？', '图里是什么？', '请说出它的名字。', '你看到了什么？'],
  },
  kind: {
    en: ['What kind of thing is this?', 'Which group does this belong to?'],
    zh: ['这是哪一类东西？', '它属于哪一类？'],
  },
  colour: {
    en: ['What is the main colour?', 'Which colour is it mostly?'],
    zh: ['主要是什么颜色？', '它大部分是什么颜色？'],
  },
  use: { en: ['What is it good for?', 'What is this for?'], zh: ['它可以用来做什么？', '它有什么用？'] },
  keywords: { en: ['Give keywords for this picture.'], zh: ['给出这张图的关键词。'] },
  isIt: { en: ['Is this the {n}?', 'Does the picture show the {n}?'], zh: ['这是{n}吗？', '图里是{n}吗？'] },
  flag: {
    en: ['Which country has this flag?', 'Whose flag is this?'],
    zh: ['这是哪个国家的国旗？', '这面旗属于哪个国家？'],
  },
  read: { en: ['What is written here?', 'Read the text.'], zh: ['写的是什么？', '读出文字。'] },
  letters: { en: ['How many characters are written?'], zh: ['写了几个字符？'] },
  inkColour: { en: ['What colour is the text?'], zh: ['文字是什么颜色？'] },
  where: { en: ['Where is the {n}?', 'Find the {n}.'], zh: ['{n}在哪里？', '找出{n}。'] },
  at: { en: ['What is at {b}?'], zh: ['{b}处是什么？'] },
  leftOf: { en: ['Is the {n} to the left of the {m}?'], zh: ['{n}在{m}的左边吗？'] },
  rightOf: { en: ['Is the {n} to the right of the {m}?'], zh: ['{n}在{m}的右边吗？'] },
  above: { en: ['Is the {n} above the {m}?'], zh: ['{n}在{m}的上面吗？'] },
  below: { en: ['Is the {n} below the {m}?'], zh: ['{n}在{m}的下面吗？'] },
  present: { en: ['Is there a picture of the {n}?'], zh: ['图里有{n}吗？'] },
  objects: { en: ['Which objects are there?'], zh: ['图里有哪些东西？'] },
  count: { en: ['How many of the {n} are there?', 'Count the {n}.'], zh: ['有几个{n}？', '数一数{n}。'] },
  shapeColour: { en: ['What colour is the {n}?'], zh: ['{n}是什么颜色？'] },
  shapeOfColour: { en: ['Which shape is {n}?'], zh: ['{n}的是什么形状？'] },
  largerShape: { en: ['Which shape is larger?'], zh: ['哪个形状更大？'] },
  chartKind: { en: ['What kind of chart is this?'], zh: ['这是什么图表？'] },
  bars: { en: ['How many bars are there?'], zh: ['有几根柱子？'] },
  tallest: { en: ['Which colour is the tallest bar?'], zh: ['最高的柱子是什么颜色？'] },
  lowest: { en: ['Which colour is the lowest bar?'], zh: ['最矮的柱子是什么颜色？'] },
  barValue: { en: ['What is the value of the {n} bar?'], zh: ['{n}柱子的值是多少？'] },
  slices: { en: ['How many slices are there?'], zh: ['有几块？'] },
  largestSlice: { en: ['Which colour is the largest slice?'], zh: ['最大的一块是什么颜色？'] },
  smallestSlice: { en: ['Which colour is the smallest slice?'], zh: ['最小的一块是什么颜色？'] },
  trend: { en: ['Does the line go up or down?'], zh: ['线是上升还是下降？'] },
  describe: {
    en: ['Describe the picture.', 'Describe this image in one sentence.', 'Write a caption.'],
    zh: ['描述这张图。', '用一句话描述这张图片。', '写一个标题。'],
  },
} as const satisfies Record<string, { en: readonly string[]; zh: readonly string[] }>

export type Ask = keyof typeof ask

/** Fills the slots of a question. */
export function slots(template: string, values: { n?: string; m?: string; b?: string }): string {
  return template
    .replaceAll('{n}', values.n ?? '')
    .replaceAll('{m}', values.m ?? '')
    .replaceAll('{b}', values.b ?? '')
}

/** Colours with both names and their sRGB values, far enough apart to tell at 64x64. */
export const palette = [
  { en: 'red', zh: '红色', rgb: [220, 40, 40] },
  { en: 'orange', zh: '橙色', rgb: [245, 140, 30] },
  { en: 'yellow', zh: '黄色', rgb: [245, 215, 40] },
  { en: 'green', zh: '绿色', rgb: [50, 160, 60] },
  { en: 'blue', zh: '蓝色', rgb: [45, 95, 210] },
  { en: 'purple', zh: '紫色', rgb: [140, 60, 175] },
  { en: 'pink', zh: '粉色', rgb: [245, 130, 180] },
  { en: 'brown', zh: '棕色', rgb: [130, 80, 45] },
  { en: 'black', zh: '黑色', rgb: [30, 30, 30] },
  { en: 'white', zh: '白色', rgb: [250, 250, 250] },
  { en: 'gray', zh: '灰色', rgb: [140, 140, 140] },
] as const

export type Colour = (typeof palette)[number]

/** A plain colour by its English name. @throws RangeError for a name outside the palette. */
export function colour(en: string): Colour {
  const found = palette.find((c) => c.en === en)
  if (!found) throw new RangeError(`no colour "${en}" in the palette`)
  return found
}
