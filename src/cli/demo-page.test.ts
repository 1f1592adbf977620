/** The demo's page: what stands in it for each answer, and that nothing a model says becomes part of the page. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { packageRoot } from '../common/package-root.js'
import type { Article } from '../compose/compose.js'
import { firstBox } from '../data/box.js'
import { readQuestions } from '../data/questions.js'
import type { DemoAnswer } from './demo-card.js'
import { type DemoArticle, demoPage } from './demo-page.js'

let root = ''
let picture = ''
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'demo-'))
  picture = await colour('a.png', 8)
})
afterAll(() => rmSync(root, { recursive: true }))

async function colour(name: string, side: number): Promise<string> {
  const file = join(root, name)
  mkdirSync(dirname(file), { recursive: true })
  await sharp({ create: { width: side, height: side, channels: 3, background: '#c02020' } }).toFile(file)
  return file
}

const asked = (more: Partial<DemoAnswer> = {}): DemoAnswer => ({
  task: 'naming_known_en',
  question: 'What is this?',
  images: [picture],
  answers: ['apple'],
  scorer: 'exact',
  reply: 'apple',
  correct: true,
  likeliest: [],
  ...more,
})

const written = (more: Partial<Article> = {}): DemoArticle => ({
  article: { subject: 'x', language: 'en', title: 'Apple', sections: [], notes: [], trace: [], ...more },
  file: 'article-en.html',
})

function page(answers: readonly DemoAnswer[], articles: readonly DemoArticle[] = [], facts: readonly string[] = []) {
  return demoPage({ model: 'nano', imageSize: 8, articles, answers, commands: [], facts })
}

/** Names of the page's elements in order, without its style sheet. */
const elements = (html: string) =>
  [...html.replace(/<style>.*?<\/style>/s, '').matchAll(/<[^>]*>/g)].map(([tag]) => tag.split(/[\s>]/)[0])

/** The text of an element's content: tags taken out, references read. */
const textOf = (html: string) =>
  html
    .replace(/<[^>]*>/g, '')
    .replace(/&#(\d+);/g, (_, code: string) => String.fromCodePoint(Number(code)))
    .replace(/&lt;/g, '<')

const cards = (html: string) => html.match(/<article class="card.*?<\/article>/gs) ?? []

describe('a card', () => {
  it('says what was asked, the answer, the right one, and in words whether it is right', async () => {
    const html = await page([asked(), asked({ reply: 'pear', correct: false }), asked({ reply: '', correct: false })])
    const texts = cards(html).map(textOf)
    expect(texts[0]).toMatch(/What is this\?\s+✓ Right\s+Its answerapple\s+Right answerapple/)
    expect(texts[1]).toMatch(/✗ Wrong\s+Its answerpear\s+Right answerapple/)
    expect(texts[2]).toContain('(no answer)')
  })

  it('speaks the language of its question', async () => {
    const html = await page([asked({ question: '这是什么？', answers: ['苹果'], reply: '苹果' })])
    expect(cards(html)[0]).toContain('lang="zh-Hans"')
    expect(textOf(cards(html)[0] as string)).toMatch(/✓ 正确\s+模型的回答苹果\s+正确答案苹果/)
  })

  it('gives the three likeliest answers with probabilities and marks the right one', async () => {
    const likeliest = [
      { text: 'pear', probability: 0.368, correct: false },
      { text: 'apple', probability: 0.0417, correct: true },
      { text: '', probability: 0.0002, correct: false },
    ]
    const [card = ''] = cards(await page([asked({ reply: 'pear', correct: false, likeliest })]))
    const rows = [...card.matchAll(/<li>(.*?)<\/li>/gs)].map(([, row]) => textOf(row as string))
    expect(rows).toEqual(['pear 37 %', 'apple ✓ right 4.2 %', '— < 0.1 %'])
    expect([...card.matchAll(/<rect width="([^"]*)"/g)].map(([, width]) => width)).toEqual(['36.8%', '4.2%', '0.0%'])
    expect(textOf(cards(await page([asked()]))[0] as string)).toContain('No answer is complete')
  })

  it('draws the answered and the right box where they are, and says so where there is none', async () => {
    const pointing = { task: 'pointing', question: 'Where?', answers: ['[0.5, 0.5, 1, 0.75]'], scorer: 'box' as const }
    const html = await page([
      asked({ ...pointing, reply: 'at (0.5, 0.5), (0.75, 1)', correct: false }),
      asked({ ...pointing, reply: 'there', correct: false }),
      asked(),
    ])
    const [both = '', one = '', none = ''] = cards(html)
    expect(both).toContain('<rect class="answered" x="50" y="50" width="25" height="50"/>')
    expect(both).toContain('<rect class="expected" x="50" y="50" width="50" height="25"/>')
    // A sixteenth of the picture is in both, three sixteenths in either.
    expect(textOf(both)).toMatch(/the model’s box.*the right box.*Overlap \(IoU\) 0\.33/)
    expect(one).not.toContain('class="answered"')
    expect(textOf(one)).toContain('The answer is no box.')
    expect(one).toContain('<rect class="expected" x="50"')
    expect(none).not.toContain('class="boxes"')
  })

  it('shows a picture as small as the model sees it, beside the larger view where there is one', async () => {
    const small = await colour('set/b.png', 12)
    await colour('set/large/b.webp', 300)
    const images = (card = '') =>
      [...card.matchAll(/<img(?: class="(\w+)")? src="data:image\/(\w+).*? width="(\d+)"/g)].map((m) => m.slice(1))
    const [drawn, sprite] = cards(await page([asked(), asked({ images: [small] })]))
    expect(images(drawn)).toEqual([['pixels', 'png', '16']])
    expect(textOf(drawn as string)).toContain('8 × 8 pixels, enlarged')
    expect(images(sprite)).toEqual([
      [undefined, 'webp', '300'],
      ['pixels', 'png', '8'],
    ])
  })
})

describe('the page', () => {
  it('counts right answers of each task in each language', async () => {
    const chinese = { question: '这是什么？', task: 'naming_known_zh' }
    const html = await page([
      asked(),
      asked({ correct: false }),
      asked(chinese),
      asked({ task: 'pointing_held_out', correct: false }),
      asked({ task: 'my_own', correct: true }),
    ])
    const rows = [...html.matchAll(/<tr>(.*?)<\/tr>/gs)].map(([, row]) =>
      [...(row as string).matchAll(/<td>(.*?)<\/td>/g)].map((m) => m[1]),
    )
    expect(rows.slice(1)).toEqual([
      ['1 of 2', '1 of 1', '2 of 3'],
      ['0 of 1', '–', '0 of 1'],
      ['1 of 1', '–', '1 of 1'],
      ['2 of 4', '1 of 1', '3 of 5'],
    ])
    expect(textOf(html)).toContain('my own')
    expect(html).toContain('<strong>3 right</strong>')
  })

  it('shows the articles and links to the pages that hold them alone', async () => {
    const sections: Article['sections'] = [
      {
        kind: 'paragraph',
        text: 'Red & round.',
        image: { file: picture, caption: 'A lake', credit: 'me', candidates: [], chosen: 0 },
      },
      { kind: 'heading', text: '## More' },
    ]
    const html = await page([], [written({ sections })])
    expect(html).toContain('<a href="#article-en" lang="en">Apple</a>')
    expect(html).toContain('<a href="article-en.html">')
    expect(html).toContain('<h3>More</h3>')
    expect(html).toMatch(/alt="A lake".*<span class="credit">me<\/span>/)
  })

  it('has no element or address that a model, a file or a caller put there', async () => {
    const hostile = `"><script>alert('1')</script><img src=x onerror=y> </style>&lt; ${'\u202e'}`
    const make = (text: string, task: string) => {
      const image = { file: picture, caption: text, credit: text, candidates: [], chosen: 0 }
      const sections: Article['sections'] = [
        { kind: 'paragraph', text, image },
        { kind: 'heading', text: `## ${text}` },
        { kind: 'paragraph', text },
      ]
      const likeliest = [{ text, probability: 0.5, correct: true }]
      return demoPage({
        model: text,
        imageSize: 8,
        articles: [{ ...written({ title: text, sections, notes: [text] }), file: `${text}.html` }],
        answers: [asked({ task, question: text, answers: [text], reply: text, likeliest })],
        commands: [text],
        facts: [text],
      })
    }
    const [plain, bad] = [await make('x', 'x'), await make(hostile, hostile)]
    expect(elements(bad)).toEqual(elements(plain))
    expect(bad).not.toMatch(/<script|onerror=y>|\u202e/)
    expect([...bad.matchAll(/ (?:src|href)="([^"]*)"/g)].every(([, url]) => /^(data:image\/|#|%22)/.test(url as string))).toBe(
      true,
    )
  })

  it('loads nothing and runs nothing', async () => {
    const html = await page([asked()], [written()])
    expect(html).not.toMatch(/<script|<link|<iframe|https?:/)
    expect(html).toContain("default-src 'none'; img-src data:")
    expect(html.match(/<main>/g)).toHaveLength(1)
  })
})

describe('the questions of the demo', () => {
  const folder = join(packageRoot, 'examples', 'questions')
  const questions = readQuestions(`${folder}.jsonl`)

  it('ship with their pictures, in both languages', () => {
    expect(questions.length).toBeGreaterThan(10)
    expect(questions.some(({ question }) => /\p{Script=Han}/u.test(question))).toBe(true)
    expect(questions.some(({ question }) => /[a-z]/.test(question))).toBe(true)
  })

  it('ask for boxes that can be drawn', () => {
    const boxes = questions.filter(({ scorer }) => scorer === 'box')
    expect(boxes.length).toBeGreaterThan(0)
    for (const { answers } of boxes) expect(firstBox(answers[0] as string)).toBeDefined()
  })

  it('have larger views of the same drawings', async () => {
    const views = readdirSync(join(folder, 'large'))
    const named = new Set(questions.flatMap(({ images }) => images.map((image) => basename(image, '.png'))))
    const grey = (file: string) => sharp(file).resize(24, 24).greyscale().raw().toBuffer()
    for (const view of views) {
      const name = basename(view, '.webp')
      expect(named).toContain(name)
      const [large, small] = [await grey(join(folder, 'large', view)), await grey(join(folder, `${name}.png`))]
      const apart = large.reduce((sum, value, i) => sum + Math.abs(value - (small[i] as number)), 0) / large.length
      expect(apart).toBeLessThan(6)
    }
    // Every picture that is larger than what the model sees has one.
    for (const name of named) {
      const { width } = await sharp(join(folder, `${name}.png`)).metadata()
      expect(views.includes(`${name}.webp`)).toBe(width > 64)
    }
  })
})
