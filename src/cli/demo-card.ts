/** One question of the demo as a card: what was asked, what the model said, what is right, and what it nearly said. */
import { escapeHtml } from '../common/escape-html.js'
import { type Box, firstBox, overlap } from '../data/box.js'
import type { ScorerName } from '../data/questions.js'
import { type QuestionPicture, questionPicture } from './demo-pictures.js'
import { cardWords, htmlLanguage, languageOf, taskGroup, taskName } from './demo-words.js'

/** One of a question's likeliest answers. */
export interface DemoLikely {
  readonly text: string
  /** 0 to 1. */
  readonly probability: number
  readonly correct: boolean
}

/** One question of the demo with its reply. */
export interface DemoAnswer {
  readonly task: string
  readonly question: string
  readonly images: readonly string[]
  /** Any of them is right; the first is shown. */
  readonly answers: readonly string[]
  readonly scorer: ScorerName
  readonly reply: string
  readonly correct: boolean
  /** Most probable first. */
  readonly likeliest: readonly DemoLikely[]
}

/**
 * The card of a question.
 * @param id of the element
 * @param side of the square that the model sees, in pixels
 */
export async function questionCard(answer: DemoAnswer, id: string, side: number): Promise<string> {
  const { task, question, images, answers, scorer, reply, correct, likeliest } = answer
  const language = languageOf(question)
  const say = cardWords[language]
  const boxes = scorer === 'box' ? { answered: firstBox(reply), expected: firstBox(answers[0] ?? '') } : undefined
  const figures: string[] = []
  for (const file of images) {
    const picture = await questionPicture(file, side)
    if (picture) figures.push(figure(picture, question, side, boxes))
  }
  const verdict = correct ? 'right' : 'wrong'
  return `<article class="card ${verdict}" id="${id}" lang="${htmlLanguage[language]}" aria-labelledby="${id}-q">
${figures.join('\n')}
<p class="task">${escapeHtml(taskName(taskGroup(task), language))}</p>
<h3 id="${id}-q">${escapeHtml(question)}</h3>
<p class="verdict"><span aria-hidden="true">${correct ? '✓' : '✗'}</span> ${say[verdict]}</p>
<dl>
<div><dt>${say.answer}</dt><dd>${reply === '' ? say.noAnswer : `<b>${escapeHtml(reply)}</b>`}</dd></div>
<div><dt>${say.expected}</dt><dd>${escapeHtml(answers[0] ?? '')}</dd></div>
</dl>
<h4>${say.likeliest}</h4>
${likeliest.length === 0 ? `<p>${say.noneLikely}</p>` : likelyList(likeliest, say.isRight)}
</article>`
}

interface Boxes {
  readonly answered: Box | undefined
  readonly expected: Box | undefined
}

function figure({ view, seen }: QuestionPicture, question: string, side: number, boxes: Boxes | undefined): string {
  const say = cardWords[languageOf(question)]
  const shape = view.shape === 'small' ? ' class="pixels"' : ''
  const alt = escapeHtml(say.picture(question))
  const inset = seen && `<span>${say.seen(side)}</span><img class="pixels" src="${seen}" alt="" width="${side}" height="${side}">`
  return `<figure>
<div class="frame"><img${shape} src="${view.url}" alt="${alt}" width="${view.width}" height="${view.height}">${boxes ? overlay(boxes) : ''}</div>
<figcaption>${inset ?? say.enlarged(side)}</figcaption>
</figure>${boxes ? `\n${legend(boxes, say)}` : ''}`
}

/** Both boxes over a picture, each twice: light below and coloured above, so that they are seen on any ground. */
function overlay({ answered, expected }: Boxes): string {
  const drawn = [expected && boxRect(expected, 'expected'), answered && boxRect(answered, 'answered')]
  return `<svg class="boxes" viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">${drawn.filter(Boolean).join('')}</svg>`
}

function boxRect([x1, y1, x2, y2]: Box, kind: keyof Boxes): string {
  const percent = (value: number) => Number((100 * value).toFixed(2))
  const place = `x="${percent(x1)}" y="${percent(y1)}" width="${percent(x2 - x1)}" height="${percent(y2 - y1)}"`
  return `<rect class="halo" ${place}/><rect class="${kind}" ${place}/>`
}

function legend({ answered, expected }: Boxes, say: (typeof cardWords)[keyof typeof cardWords]): string {
  const sample = (kind: keyof Boxes, label: string) =>
    `<li><svg width="26" height="16" viewBox="0 0 26 16" aria-hidden="true"><rect class="${kind}" x="2" y="2" width="22" height="12"/></svg> ${label}</li>`
  const rows = [
    ...(answered ? [sample('answered', say.boxAnswered)] : [`<li>${say.noBox}</li>`]),
    ...(expected ? [sample('expected', say.boxExpected)] : []),
    ...(answered && expected ? [`<li>${say.overlap(overlap(answered, expected).toFixed(2))}</li>`] : []),
  ]
  return `<ul class="legend">${rows.join('')}</ul>`
}

function likelyList(likeliest: readonly DemoLikely[], isRight: string): string {
  const rows = likeliest.map(({ text, probability, correct }) => {
    const mark = correct ? ` <span class="mark">✓<span class="unseen"> ${isRight}</span></span>` : ''
    const bar = `<svg class="bar" width="100%" height="6" aria-hidden="true"><rect width="${(100 * probability).toFixed(1)}%" height="6" rx="3"/></svg>`
    return `<li><span class="said">${text === '' ? '—' : escapeHtml(text)}${mark}</span> <span class="percent">${percentage(probability)}</span>${bar}</li>`
  })
  return `<ol>${rows.join('')}</ol>`
}

/** `37 %`, `4.2 %`, `0.3 %`, `< 0.1 %`. */
function percentage(probability: number): string {
  const percent = 100 * probability
  if (percent < 0.1) return '&lt; 0.1 %'
  return `${percent < 9.95 ? percent.toFixed(1) : percent.toFixed(0)} %`
}
