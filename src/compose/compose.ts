/**
 * The composer: write -> sections -> locate -> caption -> retrieve -> select, in the order of SPEC section 10. Gives an
 * article as data; render-html.ts makes the page. Knows the model only as `ComposerModel`. Where the model's answers cannot
 * be used it goes on with the plainest choice and says so in `notes`.
 */
import { InputError, XComposerError } from '../common/errors.js'
import { checkImage } from '../image/check.js'
import { XComposer } from '../inference/xcomposer.js'
import type { Library, LibraryItem, Localized } from '../library/library.js'
import { captionMaxNewTokens, captionPrompt, type PlacedCaption, parseCaption, saysSomething } from './caption.js'
import { evenLocations, locateMaxNewTokens, locatePrompt, parseLocations } from './locate.js'
import { composerModel } from './model-composer.js'
import { type ComposePrompt, type ComposerModel, type ComposeSampling, compositionSampling } from './prompt.js'
import { type Candidate, retrieve, searchQuery } from './retrieve.js'
import { headingText, mostSections, type SectionKind, sectionKinds, splitLines } from './sections.js'
import { type Chosen, parseSelection, selectMaxNewTokens, selectPrompt } from './select.js'
import { type Language, writeMaxNewTokens, writePrompt } from './write.js'

export interface ArticleCandidate {
  readonly id: string
  readonly file: string
  readonly name: string
  readonly score: number
}

export interface ArticleImage {
  readonly file: string
  readonly caption: string
  readonly credit?: string
  readonly candidates: readonly ArticleCandidate[]
  /** Index into `candidates`. */
  readonly chosen: number
}

export interface ArticleSection {
  readonly kind: SectionKind
  readonly text: string
  /** The image that follows the text. */
  readonly image?: ArticleImage
}

export type Step = 'write' | 'locate' | 'caption' | 'select'

/** One question to the model. `location` is the section that a caption or selection is for. */
export interface TraceEntry {
  readonly step: Step
  readonly location?: number
  readonly prompt: ComposePrompt
  readonly reply: string
}

export interface Article {
  readonly subject: string
  readonly language: Language
  readonly title: string
  readonly sections: readonly ArticleSection[]
  /** What did not go as asked, one line each. */
  readonly notes: readonly string[]
  readonly trace: readonly TraceEntry[]
}

/** `done` of `total` questions of a step are answered. */
export interface ComposeProgress {
  readonly step: Step
  readonly done: number
  readonly total: number
}

/**
 * The sampling (temperature, topP, topK, repetitionPenalty, seed) is that of the composition demo where nothing else is said: temperature
 * 1, or the model directory's; topP 0.8; topK 40; repetitionPenalty 1.005; seed 8909. Temperature 0 is greedy.
 */
export interface ComposeOptions extends Partial<ComposeSampling> {
  readonly subject: string
  readonly language: Language
  readonly library: Library
  /** A loaded model, which stays the caller's, or anything that completes prompts. */
  readonly model: XComposer | ComposerModel
  /** How many images to ask for, 0 to 60; 6 unless told, fewer when the article or the library is smaller. */
  readonly images?: number
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: ComposeProgress) => void
}

const defaultImages = 6
const longestCaption = 200
/** Lost files that one note names. */
const MOST_NAMED = 10

/**
 * Write an article about a subject and put images of the library where the model wants them.
 * @throws InputError for an empty subject, an unknown language or a number of images out of range; XComposerError when the
 * model writes nothing.
 */
export async function compose(options: ComposeOptions): Promise<Article> {
  const { subject, language, library } = options
  checkOptions(options)
  const notes: string[] = []
  const trace: TraceEntry[] = []
  const ask = asker(options, trace)

  const raw = await ask('write', writePrompt(subject, language), writeMaxNewTokens)
  options.onProgress?.({ step: 'write', done: 1, total: 1 })
  const all = splitLines(raw)
  if (all.length === 0) {
    throw new XComposerError(`article about "${subject.trim()}": the model wrote nothing; try another seed or subject`)
  }
  const lines = all.slice(0, mostSections)
  if (all.length > lines.length) notes.push(`The article had ${all.length} paragraphs; only the first ${mostSections} were kept.`)

  const kinds = sectionKinds(lines)
  const wanted = Math.min(options.images ?? defaultImages, lines.length, library.items.length)
  if (library.items.length === 0 && options.images !== 0) notes.push('The library has no pictures, so the article has none.')
  const images = wanted === 0 ? new Map<number, ArticleImage>() : await illustrate(options, ask, lines, kinds, wanted, notes)

  const first = lines[0] ?? ''
  return {
    subject: subject.trim(),
    language,
    title: (kinds[0] === 'title' && headingText(first)) || titleOf(subject, language),
    sections: lines.map((text, i) => {
      const image = images.get(i)
      return { kind: kinds[i] ?? 'paragraph', text, ...(image === undefined ? {} : { image }) }
    }),
    notes,
    trace,
  }
}

type Ask = (step: Step, prompt: ComposePrompt, maxNewTokens: number, location?: number) => Promise<string>

/** Every question has a seed of its own, so that two captions drawn after one another are not the same draw. */
function asker({ model: given, signal, ...options }: ComposeOptions, trace: TraceEntry[]): Ask {
  const model = given instanceof XComposer ? composerModel(given) : given
  const sampling = {
    temperature:
      options.temperature ??
      (given instanceof XComposer ? given.defaults.temperature : undefined) ??
      compositionSampling.temperature,
    topP: options.topP ?? compositionSampling.topP,
    topK: options.topK ?? compositionSampling.topK,
    repetitionPenalty: options.repetitionPenalty ?? compositionSampling.repetitionPenalty,
  }
  const seed = options.seed ?? compositionSampling.seed
  return async (step, prompt, maxNewTokens, location) => {
    signal?.throwIfAborted()
    const drawn = { ...sampling, seed: (seed + trace.length) % 2 ** 32 }
    const reply = await model.complete(prompt, { maxNewTokens, sampling: drawn, ...(signal ? { signal } : {}) })
    trace.push({ step, prompt, reply, ...(location === undefined ? {} : { location }) })
    return reply
  }
}

/** Steps 3 to 6: the images by the section they follow. */
async function illustrate(
  options: ComposeOptions,
  ask: Ask,
  lines: readonly string[],
  kinds: readonly SectionKind[],
  wanted: number,
  notes: string[],
): Promise<Map<number, ArticleImage>> {
  const { language, onProgress } = options
  const locations = await locate(ask, lines, kinds, wanted, notes)
  onProgress?.({ step: 'locate', done: 1, total: 1 })

  const captions = new Map<number, string>()
  const earlier: PlacedCaption[] = []
  for (const location of locations) {
    const reply = await ask('caption', captionPrompt(lines, location, earlier), captionMaxNewTokens, location)
    const written = parseCaption(reply)
    const caption = saysSomething(written) ? written : ''
    captions.set(location, caption)
    if (caption === '') notes.push(`Section ${location + 1}: the model gave no caption; the paragraph itself was searched for.`)
    else earlier.push({ location, caption })
    onProgress?.({ step: 'caption', done: captions.size, total: locations.length })
  }

  const images = new Map<number, ArticleImage>()
  const chosen: Chosen[] = []
  const used = new Set<string>()
  const gone = new Map<string, string>()
  let done = 0
  for (const location of [...locations].sort((a, b) => a - b)) {
    const caption = captions.get(location) ?? ''
    const queries = [searchQuery(caption), lines[location] ?? ''].filter((query) => query.trim() !== '')
    const { candidates, index } = await select(options, ask, { lines, location, queries, chosen, used, gone })
    if (candidates.length > 0 && candidates[0]?.score === 0) {
      notes.push(`Section ${location + 1}: no picture's name matches; the model chose among unused ones.`)
    }
    const item = candidates[index]?.item
    if (item === undefined) {
      notes.push(`Section ${location + 1}: no picture is left for it.`)
    } else {
      used.add(item.id)
      chosen.push({ location, file: item.file })
      images.set(location, {
        file: item.file,
        caption: shownCaption(caption) || labelOf(item, language),
        ...(item.credit === undefined ? {} : { credit: item.credit }),
        candidates: candidates.map(({ item: { id, file, name }, score }) => ({
          id,
          file,
          name: inLanguage(name, language),
          score,
        })),
        chosen: index,
      })
    }
    onProgress?.({ step: 'select', done: ++done, total: locations.length })
  }
  if (gone.size > 0) {
    const names = [...gone.values()].slice(0, MOST_NAMED).join(', ')
    notes.push(
      `${gone.size} picture${gone.size === 1 ? '' : 's'} of the library can no longer be read: ${names}${gone.size > MOST_NAMED ? ', ...' : ''}.`,
    )
  }
  return images
}

interface Place {
  readonly lines: readonly string[]
  readonly location: number
  readonly queries: readonly string[]
  readonly chosen: readonly Chosen[]
  readonly used: ReadonlySet<string>
  /** Files that can no longer be read, by item; more are added. */
  readonly gone: Map<string, string>
}

/** Steps 5 and 6 for one place. An image that goes bad between the look at it and the question is left out, and the question asked again. */
async function select(
  { library }: ComposeOptions,
  ask: Ask,
  { lines, location, queries, chosen, used, gone }: Place,
): Promise<{ candidates: Candidate[]; index: number }> {
  for (;;) {
    const candidates = await retrieve(library, queries, used, gone)
    if (candidates.length < 2) return { candidates, index: 0 }
    const files = candidates.map(({ item }) => item.file)
    const shown: Chosen[] = []
    for (const image of chosen) if ((await checkImage(image.file)) === undefined) shown.push(image)
    try {
      const reply = await ask('select', selectPrompt(lines, location, shown, files), selectMaxNewTokens, location)
      return { candidates, index: parseSelection(reply, files.length) }
    } catch (error) {
      const checks = await Promise.all([...files, ...shown.map(({ file }) => file)].map(checkImage))
      if (!(error instanceof InputError) || checks.every((problem) => problem === undefined)) throw error
    }
  }
}

/** Step 3 with its fallback; in the order the model named them, at most `wanted`. */
async function locate(
  ask: Ask,
  lines: readonly string[],
  kinds: readonly SectionKind[],
  wanted: number,
  notes: string[],
): Promise<number[]> {
  const found = parseLocations(await ask('locate', locatePrompt(lines, wanted), locateMaxNewTokens), lines.length)
  if (found.length > wanted) notes.push(`The model wanted ${found.length} pictures; the first ${wanted} were placed.`)
  if (found.length > 0) return found.slice(0, wanted)
  notes.push('The model named no place for pictures; they are spaced evenly.')
  const paragraphs = lines.flatMap((_, i) => (kinds[i] === 'paragraph' ? [i] : []))
  return evenLocations(paragraphs, wanted)
}

function checkOptions({ language, images, seed }: ComposeOptions): void {
  if (language !== 'en' && language !== 'zh') {
    throw new InputError(`language: expected en or zh, got ${JSON.stringify(language)}`)
  }
  if (images !== undefined && !(Number.isInteger(images) && images >= 0 && images <= mostSections)) {
    throw new InputError(`images: expected a whole number from 0 to ${mostSections}, got ${images}`)
  }
  if (seed !== undefined && !(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32)) {
    throw new InputError(`seed: expected a whole number from 0 to ${2 ** 32 - 1}, got ${seed}`)
  }
}

/** A model that does not close its quote goes on for 200 tokens; a figure shows one line of it. */
function shownCaption(caption: string): string {
  const characters = [...caption.replace(/\s+/g, ' ')]
  return characters.length > longestCaption
    ? `${characters
        .slice(0, longestCaption - 1)
        .join('')
        .trimEnd()}…`
    : characters.join('')
}

const inLanguage = (text: Localized, language: Language) => text[language] ?? text.en ?? text.zh ?? ''

function labelOf(item: LibraryItem, language: Language): string {
  const caption = inLanguage(item.captions, language)
  return saysSomething(caption) ? caption : inLanguage(item.name, language)
}

function titleOf(subject: string, language: Language): string {
  const text = subject.trim().replace(/\s+/g, ' ')
  return language === 'en' ? text.charAt(0).toUpperCase() + text.slice(1) : text
}
