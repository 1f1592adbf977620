/**
 * Training data as a pure function: `batchAt(step)` depends only on the seed, the step and the files, so a resumed run sees
 * what an unbroken one would. Samples are picked for a window of batches and dealt by length, which keeps padding small
 * without changing what is seen. They come from records of files or are drawn. It knows nothing of the model.
 */
import { InputError } from '../common/errors.js'
import { hash, permute, random } from '../common/random.js'
import { conversationExample, type Example, IGNORED, independentExample, textExample } from '../data/conversation.js'
import type { DrawnSample, ImageLabels, LabelTexts } from '../data/drawn.js'
import { type AugmentFlags, type TrainingRecord, turnText } from '../data/records.js'
import type { RasterImage } from '../image/pixels.js'
import { normalise, type Rgb } from '../image/preprocess.js'
import type { Tokenizer } from '../text/tokenizer.js'
import { type Augmentation, augment, keptForAugment } from './augment.js'
import { type Batch, type BatchTiles, collate } from './batch.js'
import { type DrawnSource, openDrawn } from './dataset-drawn.js'
import { ImageStore } from './dataset-images.js'
import { openRecords } from './dataset-records.js'
import { createSampler, type Pick, sourceShares } from './dataset-sampler.js'
import { DrawingPool, type GeneratorName } from './drawing-pool.js'
import { labelTexts, recordLabels } from './objectives/image-labels.js'
import { TiledImages, type Tiling } from './tiled-images.js'

export interface DataSource {
  /** A JSON array or JSON lines of records; of a drawn source, the module. */
  readonly file: string
  /** The generator of the module that samples are drawn by, instead of being read. */
  readonly generator?: string
  /** A name of `data/formats` (default `auto`: found out from the records). */
  readonly format?: string
  /** What image paths are relative to (default: the file's folder). */
  readonly imageFolder?: string
  /** Relative to the other sources (default: its number of records; 1 where samples are drawn). */
  readonly weight?: number
  readonly augment?: Augmentation
}

export interface DatasetOptions {
  readonly sources: readonly DataSource[]
  readonly tokenizer: Tokenizer
  /** Side of the images in pixels. */
  readonly imageSize: number
  /** Positions that one image takes, where images are not tiled. */
  readonly imageTokens: number
  /** Patches of the vision tower's grid (default: imageTokens). */
  readonly patches?: number
  /** Whether the answers of records are labels of their images, as the vision tower's warm-up takes them. */
  readonly labelRecords?: boolean
  /** Threads that draw samples (default 1). */
  readonly drawThreads?: number
  /** Present for a tiled model, which takes images as they are laid out: without augmentation. */
  readonly tiling?: Tiling
  readonly batchSize: number
  /** Longer examples are cut here. */
  readonly maxLength: number
  readonly seed: number
  /** The part of samples that comes from sources without images (default: by weight). */
  readonly textShare?: number
  readonly mean?: Rgb
  readonly std?: Rgb
  /** Batches whose samples are sorted by length together (default 8). */
  readonly window?: number
  /** Memory for decoded images (default 1.5 GB). */
  readonly cacheBytes?: number
  /** Leave out records whose images are missing or cannot be decoded, instead of refusing the data. */
  readonly skipBad?: boolean
  /** Told what was left out. */
  readonly onNotice?: (line: string) => void
  readonly signal?: AbortSignal
}

export interface Dataset {
  /** Records in all sources. */
  readonly size: number
  /** Every text that labels of images may have. */
  readonly labels: LabelTexts
  readonly sources: readonly {
    readonly file: string
    /** 0 where samples are drawn. */
    readonly records: number
    readonly drawn: boolean
    readonly text: boolean
    readonly share: number
  }[]
  /** Whether some token of a record is learned within maxLength. @throws InputError when the record's images do not fit */
  teaches(source: number, record: number): boolean
  /** @throws InputError when a record's images do not fit, or an image was damaged since the data were opened */
  batchAt(step: number): Promise<Batch>
  /** Once, after the last batch. */
  dispose(): Promise<void>
}

interface Source {
  readonly file: string
  readonly augment: Augmentation
  /** None where samples are drawn. */
  readonly records: readonly TrainingRecord[]
  /** Tokenised on first use. */
  readonly examples: (Example | undefined)[]
  readonly drawn?: DrawnSource
}

/** One sample of a window and its number in the run, which keys its augmentation. */
interface Sample {
  readonly number: number
  readonly augment: Augmentation
  readonly example: Example
  /** Files, or pixels that were drawn. */
  readonly images: readonly (string | RasterImage)[]
  readonly flags: AugmentFlags
  readonly labels?: ImageLabels
}

/** More than the control tokens around a question. */
const TURN_TOKENS = 32

/** Keys that keep the draws of different purposes apart (the sampler has 1 and 2). */
const DEAL = 3
const AUGMENT = 4

/**
 * Opens the data files, checks every record and decodes every image once.
 * @throws InputError naming file and record, or the option at fault
 */
export async function openDataset(options: DatasetOptions): Promise<Dataset> {
  checkOptions(options)
  const pool = options.sources.some((s) => s.generator !== undefined) ? new DrawingPool(options.drawThreads ?? 1) : undefined
  try {
    return await opened(options, pool)
  } catch (error) {
    await pool?.dispose()
    throw error
  }
}

async function opened(options: DatasetOptions, pool: DrawingPool | undefined): Promise<Dataset> {
  const sources = await openSources(options, pool)
  const weights = options.sources.map((s, i) => s.weight ?? (s.generator === undefined ? at(sources, i).records.length : 1))
  const isText = sources.map(
    ({ records, drawn }) => drawn?.text ?? records.every((r) => r.kind === 'text' || r.images.length === 0),
  )
  const shares = sourceShares(weights, isText, options.textShare)
  if (!shares)
    throw new InputError(
      `text_share ${options.textShare ?? ''}: needs sources of positive weight with and without images; add one or change the share`,
    )
  const { batchSize, seed, window = 4 } = options
  const sampler = createSampler(
    seed,
    sources.map((s) => (s.drawn ? Number.POSITIVE_INFINITY : s.records.length)),
    shares,
    batchSize * window,
  )
  const cacheBytes = options.cacheBytes ?? 1_500_000_000
  const store = new ImageStore(options.imageSize, cacheBytes)
  const tiled = options.tiling ? new TiledImages(options.imageSize, options.tiling, cacheBytes) : undefined
  await tiled?.measure(sources.flatMap((s) => s.records.flatMap((r) => (r.kind === 'text' ? [] : r.images))))
  const example = (pick: Omit<Pick, 'epoch'>): Example => {
    const source = at(sources, pick.source)
    const made = source.examples[pick.record] ?? tokenise(source, pick.record, options, tiled)
    source.examples[pick.record] = made
    return made
  }
  const recorded = (pick: Pick, number: number): Sample => {
    const { augment, records } = at(sources, pick.source)
    const record = at(records, pick.record)
    const { images, flags } = record.kind === 'text' ? { images: [], flags: {} } : { images: record.images, flags: record }
    const labels = options.labelRecords ? recordLabels(record) : undefined
    return { number, augment, example: example(pick), images, flags, ...(labels ? { labels } : {}) }
  }
  /** The samples of a window in the order in which they were picked. */
  const samplesOf = async (index: number): Promise<Sample[]> => {
    const picks = sampler.picks(index).map((pick, i) => ({ ...pick, number: index * batchSize * window + i }))
    const samples = new Map<number, Sample>()
    for (const pick of picks) if (!at(sources, pick.source).drawn) samples.set(pick.number, recorded(pick, pick.number))
    await Promise.all(
      sources.map(async ({ drawn, augment }, source) => {
        const own = picks.filter((pick) => pick.source === source)
        if (!drawn || own.length === 0) return
        const made = await drawn.draw(
          seed,
          own.map(({ record }) => record),
        )
        own.forEach(({ number }, i) => {
          samples.set(number, drawnSample(at(made, i), number, augment, options))
        })
      }),
    )
    return picks.map(({ number }) => samples.get(number) as Sample)
  }
  /** The samples of each batch of a window: sorted by length, cut into runs, the runs dealt in a seeded order. */
  const deal = async (index: number): Promise<Sample[][]> => {
    const samples = await samplesOf(index)
    samples.sort((a, b) => a.example.ids.length - b.example.ids.length || a.number - b.number)
    return Array.from({ length: window }, (_, b) => {
      const run = permute(b, window, seed, DEAL, index)
      return samples.slice(run * batchSize, (run + 1) * batchSize)
    })
  }
  const dealt = new Map<number, Promise<Sample[][]>>()
  const dealing = (index: number): Promise<Sample[][]> => {
    const batches = dealt.get(index) ?? deal(index)
    dealt.set(index, batches)
    // Whoever asks for the window sees the error; until then it must not count as unhandled.
    batches.catch(() => {})
    return batches
  }
  return {
    size: sources.reduce((sum, s) => sum + s.records.length, 0),
    labels: labelTexts(
      options.labelRecords ? sources.flatMap((s) => s.records.flatMap((r) => recordLabels(r) ?? [])) : [],
      sources.flatMap((s) => s.drawn?.labels ?? []),
    ),
    sources: sources.map((s, i) => ({
      file: s.file,
      records: s.records.length,
      drawn: s.drawn !== undefined,
      text: isText[i] ?? false,
      share: shares[i] ?? 0,
    })),
    teaches(source, record) {
      const { records } = at(sources, source)
      return (
        answerBound(at(records, record), (file) => tiled?.tokens(file) ?? options.imageTokens) < options.maxLength ||
        example({ source, record }).labels.some((label) => label !== IGNORED)
      )
    },
    async batchAt(step) {
      if (!Number.isSafeInteger(step) || step < 0) throw new InputError(`step ${step}: expected a whole number from 0`)
      const index = Math.floor(step / window)
      const batches = await dealing(index)
      // Drawing takes as long as some steps: the next window is begun while this one is used.
      if (pool) void dealing(index + 1)
      for (const key of dealt.keys()) if (Math.abs(key - index) > 1) dealt.delete(key)
      const samples = batches[step % window] ?? []
      const examples = samples.map((s) => s.example)
      if (tiled) {
        const { pixels, images, tiles } = await tiledPixelsOf(samples, tiled)
        return collate(examples, pixels, images, options.tokenizer.padId, { tiles })
      }
      const { pixels, images } = await pixelsOf(samples, store, options)
      const imageLabels = samples.flatMap((s) => s.images.map(() => (s.images.length === 1 ? s.labels : undefined) ?? {}))
      return collate(examples, pixels, images, options.tokenizer.padId, { imageLabels })
    },
    async dispose() {
      await Promise.allSettled(dealt.values())
      await pool?.dispose()
    },
  }
}

/** Sources in their order: records of files, and generators that have drawn their first samples. */
async function openSources(options: DatasetOptions, pool: DrawingPool | undefined): Promise<Source[]> {
  const files = options.sources.filter((s) => s.generator === undefined)
  const records = files.length > 0 ? await openRecords(files, options) : []
  const patches = options.patches ?? options.imageTokens
  return Promise.all(
    options.sources.map(async (source): Promise<Source> => {
      const { file, generator, augment = 'none' } = source
      if (generator === undefined) {
        const own = at(records, files.indexOf(source))
        return { file, augment, records: own, examples: new Array<Example | undefined>(own.length) }
      }
      const name: GeneratorName = { module: file, generator }
      const drawn = await openDrawn(pool as DrawingPool, name, options.seed, patches)
      return { file: drawn.name, augment, records: [], examples: [], drawn }
    }),
  )
}

function drawnSample(
  { image, questions, labels, ...flags }: DrawnSample,
  number: number,
  augment: Augmentation,
  { tokenizer, imageTokens, maxLength, imageSize }: DatasetOptions,
): Sample {
  const images = image === undefined ? 0 : 1
  const example = independentExample(tokenizer, questions, { images, imageTokens, maxLength })
  const kept = typeof image === 'object' ? keptForAugment(image, augment, imageSize) : image
  return { number, augment, example, images: kept === undefined ? [] : [kept], flags, ...(labels ? { labels } : {}) }
}

/** Positions before a record's first answer, at most: no token is shorter than a byte. Saves tokenising what cannot be too long. */
function answerBound(record: TrainingRecord, imageTokens: (file: string) => number): number {
  if (record.kind === 'text') return 1
  const { system = '', turns } = record.conversation
  const images = record.images.reduce((sum, file) => sum + imageTokens(file), 0)
  return Buffer.byteLength(system + (turns[0] ? turnText(turns[0]) : '')) + images + TURN_TOKENS
}

async function pixelsOf(
  samples: readonly Sample[],
  store: ImageStore,
  { imageSize, seed, mean, std }: DatasetOptions,
): Promise<{ pixels: Float32Array; images: number }> {
  const wanted = samples.flatMap(({ images, flags, augment: kind, number }) =>
    images.map((image, i) => ({ image, flags, kind, key: hash(seed, AUGMENT, number, i) })),
  )
  const stored = await Promise.all(wanted.map(({ image, kind }) => (typeof image === 'string' ? store.get(image, kind) : image)))
  const each = 3 * imageSize * imageSize
  const pixels = new Float32Array(wanted.length * each)
  wanted.forEach(({ flags, kind, key }, i) => {
    normalise(augment(at(stored, i), kind, imageSize, random(key), flags), mean, std, pixels, i * each)
  })
  return { pixels, images: wanted.length }
}

/** Images of samples as their layouts cut them, one stack of tiles after the other. */
async function tiledPixelsOf(samples: readonly Sample[], store: TiledImages) {
  const files = samples.flatMap(({ images }) => images as readonly string[])
  const images = await Promise.all(files.map((file) => store.get(file)))
  const pixels = new Float32Array(images.reduce((sum, image) => sum + image.pixels.length, 0))
  let end = 0
  for (const image of images) {
    pixels.set(image.pixels, end)
    end += image.pixels.length
  }
  const tiles: BatchTiles = { grids: images.map(({ grid }) => grid), tokens: files.map((file) => store.tokens(file)) }
  return { pixels, images: images.length, tiles }
}

function tokenise(
  source: Source,
  index: number,
  { tokenizer, imageTokens, maxLength }: DatasetOptions,
  tiled: TiledImages | undefined,
): Example {
  const record = at(source.records, index)
  if (record.kind === 'text') return textExample(tokenizer, record.text, maxLength)
  const images = record.images.length
  const tokens = record.images.map((file) => tiled?.tokens(file) ?? imageTokens)
  const example = conversationExample(tokenizer, record.conversation, { images, imageTokens: tokens, maxLength })
  const places = example.imageMask.reduce((sum, m) => sum + m, 0)
  if (places < tokens.reduce((a, b) => a + b, 0)) {
    throw new InputError(
      `${source.file}: ${record.where()}: its ${images} image(s) reach beyond ${maxLength} positions; raise max_length or shorten the text`,
    )
  }
  return example
}

function checkOptions(options: DatasetOptions): void {
  if (options.sources.length === 0) throw new InputError('no data sources; name at least one file')
  for (const key of ['imageSize', 'imageTokens', 'batchSize', 'maxLength', 'window'] as const) {
    const value = options[key] ?? 1
    if (!Number.isInteger(value) || value < 1) throw new InputError(`${key} ${value}: expected a whole number from 1`)
  }
  if (!Number.isSafeInteger(options.seed) || options.seed < 0)
    throw new InputError(`seed ${options.seed}: expected a whole number from 0`)
  const { textShare = 0 } = options
  if (!(textShare >= 0 && textShare <= 1)) throw new InputError(`textShare ${textShare}: expected a number from 0 to 1`)
  for (const { file, generator, weight = 1, augment = 'none' } of options.sources) {
    if (!(weight >= 0 && Number.isFinite(weight))) throw new InputError(`${file}: weight ${weight}, expected a number from 0`)
    if (options.tiling && generator !== undefined)
      throw new InputError(`${file}: draw ${generator}: samples are not drawn for a tiled (hd) model; give a file`)
    if (options.tiling && augment !== 'none')
      throw new InputError(`${file}: augment ${augment}: images of a tiled (hd) model are taken as they are; use none`)
  }
}

function at<T>(list: readonly T[], i: number): T {
  const item = list[i]
  if (item === undefined) throw new RangeError(`index ${i} of ${list.length}`)
  return item
}
