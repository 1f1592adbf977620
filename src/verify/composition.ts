/**
 * Golden check of composition prompts and parsers: article -> sections -> locate -> caption -> query -> select, and edits.
 * All strings exact. Runs no model: the replies stand in the folder.
 */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { captionPrompt, type PlacedCaption, parseCaption } from '../compose/caption.js'
import { type Edit, editPrompt } from '../compose/edit.js'
import { locatePrompt, parseLocations } from '../compose/locate.js'
import { type ComposePrompt, renderPrompt } from '../compose/prompt.js'
import { searchQuery } from '../compose/retrieve.js'
import { sections } from '../compose/sections.js'
import { type Chosen, parseSelection, selectPrompt } from '../compose/select.js'
import { metaArticle } from '../compose/texts.js'
import type { CaseResult, GoldenCheck } from './check.js'

const articleCase = z.object({
  case: z.number(),
  with_meta: z.boolean(),
  article_raw: z.string(),
  sections: z.array(z.string()),
  requested: z.union([z.number(), z.string()]),
  locate_prompt: z.string(),
  locate_reply: z.string(),
  locations: z.array(z.number()),
  caption_prompts: z.array(z.string()),
  caption_replies: z.array(z.string()),
  captions: z.record(z.string(), z.string()),
  search_queries: z.array(z.string()),
  selection: z.array(
    z.object({
      section: z.number(),
      prompt: z.string(),
      reply: z.string(),
      selected: z.number(),
      n_context_images: z.number(),
      n_images: z.number(),
    }),
  ),
})
const editCase = z.object({
  kind: z.enum(['expand', 'rewrite', 'abbreviate', 'insert_before', 'insert_after']),
  text: z.string(),
  previous: z.string().nullish(),
  next: z.string().nullish(),
  material: z.string().nullish(),
  prompt: z.string(),
})
const casesFile = z.object({ articles: z.array(articleCase), edits: z.array(editCase) })

export const check: GoldenCheck = {
  folder: 'composition',
  async *run(dir) {
    const cases = casesFile.parse(JSON.parse(await readFile(path.join(dir, 'cases.json'), 'utf8')))
    for (const c of cases.articles) yield* checkArticle(c)
    for (const [i, c] of cases.edits.entries()) {
      yield compare(`edit ${i} ${c.kind}`, renderPrompt(editPrompt(toEdit(c))), c.prompt)
    }
  },
}

function compare(name: string, got: unknown, want: unknown): CaseResult {
  const [a, b] = [JSON.stringify(got), JSON.stringify(want)]
  if (a === b) return { name, passed: true }
  let at = 0
  while (a[at] === b[at]) at++
  return { name, passed: false, detail: `differs at ${at}: expected ${b.slice(at, at + 60)}, got ${a.slice(at, at + 60)}` }
}

function* checkArticle(c: z.infer<typeof articleCase>): Generator<CaseResult> {
  const name = `article ${c.case}`
  const render = (prompt: ComposePrompt) => renderPrompt(prompt, c.with_meta ? metaArticle : undefined)

  yield compare(`${name} sections`, sections(c.article_raw), c.sections)
  const count = Number(c.requested)
  const requested = c.requested === '' || !Number.isFinite(count) ? undefined : count
  yield compare(`${name} locate prompt`, render(locatePrompt(c.sections, requested)), c.locate_prompt)
  yield compare(`${name} locations`, parseLocations(c.locate_reply, c.sections.length), c.locations)

  const captions: PlacedCaption[] = []
  const prompts: string[] = []
  for (const [i, location] of c.locations.entries()) {
    prompts.push(render(captionPrompt(c.sections, location, captions)))
    captions.push({ location, caption: parseCaption(c.caption_replies[i] ?? '') })
  }
  yield compare(`${name} caption prompts`, prompts, c.caption_prompts)
  const wanted = c.locations.map((location) => ({ location, caption: c.captions[String(location)] }))
  yield compare(`${name} captions`, captions, wanted)
  const queries = captions.map(({ caption }) => searchQuery(caption))
  yield compare(`${name} search queries`, queries, c.search_queries)

  const chosen: Chosen[] = []
  for (const s of c.selection) {
    const candidates = Array.from({ length: s.n_images - s.n_context_images }, (_, i) => `candidate ${s.section}.${i}`)
    const prompt = selectPrompt(c.sections, s.section, chosen, candidates)
    const selected = parseSelection(s.reply, candidates.length)
    yield compare(`${name} select prompt ${s.section}`, render(prompt), s.prompt)
    yield compare(`${name} selected ${s.section}`, selected, s.selected)
    const files = prompt.content.flatMap((part) => (part.type === 'image' ? [part.file] : []))
    yield compare(`${name} select images ${s.section}`, files, [...chosen.map(({ file }) => file), ...candidates])
    chosen.push({ location: s.section, file: candidates[selected] ?? '' })
  }
}

function toEdit(c: z.infer<typeof editCase>): Edit {
  const { text } = c
  const material = c.material ?? ''
  switch (c.kind) {
    case 'insert_before':
      return { kind: c.kind, text, previous: c.previous ?? '', outline: material }
    case 'insert_after':
      return { kind: c.kind, text, next: c.next ?? '', outline: material }
    case 'abbreviate':
      return { kind: c.kind, text }
    default:
      return { kind: c.kind, text, material }
  }
}
