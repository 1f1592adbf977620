/**
 * Training data as a pure function: `batchAt(step)` depends only on the seed, the step and the files, so a resumed run sees
 * what an unbroken one would. Samples are drawn for a window of batches and dealt by length, which keeps padding small
 * without changing what is seen. It knows nothing of the model.
 */
import { InputError } from '../common/errors.js'
import { hash, permute, random } from '../common/random.js'
import { conversationExample, type Example, IGNORED, textExample } from '../data/conversation.js'
import { type TrainingRecord, turnText } from '../data/records.js'
import { normalise, type Rgb } from '../image/preprocess.js'
import type { Tokenizer } from '../text/tokenizer.js'
import { type Augmentation, augment } from './augment.js'
import { type Batch, type BatchTiles, collate } from './batch.js'
import { ImageStore } from './dataset-images.js'
import { openRecords } from './dataset-records.js'
import { createSampler, type Pick, sourceShares } from './dataset-sampler.js'
import { TiledImages, type Tiling } from './tiled-images.js'

export interface DataSource {
  /** A JSON array or JSON lines of records. */
  readonly file: string
  /** A name of `data/formats` (default `auto`: found out from the records). */
  readonly format?: string
  /** What image paths are relative to (default: the file's folder). */
  readonly imageFolder?: string
  /** Relative to the other sources (default: its number of records). */
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
  /** All of them, source after source. */
  readonly records: readonly TrainingRecord[]
  readonly sources: readonly { readonly file: string; readonly records: number; readonly text: boolean; readonly share: number }[]
  /** Whether some token of a record is learned within maxLength. @throws InputError when the record's images do not fit */
  teaches(source: number, record: number): boolean
  /** @throws InputError when a record's images do not fit, or an image was damaged since the data were opened */
  batchAt(step: number): Promise<Batch>
}

interface Source {
  readonly file: string
  readonly augment: Augmentation
  readonly records: readonly TrainingRecord[]
  /** Tokenised on first use. */
  readonly examples: (Example | undefined)[]
}

/** One sample of a window: what it is and its number in the run, which keys its augmentation. */
interface Sample extends Pick {
  readonly number: number
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
  const opened = await openRecords(options.sources, options)
  const sources = options.sources.map(({ file, augment = 'none' }, i): Source => {
    const records = at(opened, i)
    return { file, augment, records, examples: new Array<Example | undefined>(records.length) }
  })
  const weights = options.sources.map((s, i) => s.weight ?? sources[i]?.records.length ?? 0)
  const isText = sources.map((s) => s.records.every((r) => r.kind === 'text' || r.images.length === 0))
  const shares = sourceShares(weights, isText, options.textShare)
  if (!shares)
    throw new InputError(
      `text_share ${options.textShare ?? ''}: needs sources of positive weight with and without images; add one or change the share`,
    )
  const { batchSize, seed, window = 4 } = options
  const sampler = createSampler(
    seed,
    sources.map((s) => s.records.length),
    shares,
    batchSize * window,
  )
  const cacheBytes = options.cacheBytes ?? 1_500_000_000
  const store = new ImageStore(options.imageSize, cacheBytes)
  const tiled = options.tiling ? new TiledImages(options.imageSize, options.tiling, cacheBytes) : undefined
  await tiled?.measure(sources.flatMap((s) => s.records.flatMap((r) => (r.kind === 'text' ? [] : r.images))))
  const example = (pick: Pick): Example => {
    const source = at(sources, pick.source)
    const made = source.examples[pick.record] ?? tokenise(source, pick.record, options, tiled)
    source.examples[pick.record] = made
    return made
  }
  /** The samples of each batch of a window: sorted by length, cut into runs, the runs dealt in a seeded order. */
  const deal = (index: number): Sample[][] => {
    const samples = sampler.picks(index).map((pick, i): Sample => ({ ...pick, number: index * batchSize * window + i }))
    const lengths = new Map(samples.map((s) => [s, example(s).ids.length]))
    samples.sort((a, b) => (lengths.get(a) ?? 0) - (lengths.get(b) ?? 0) || a.number - b.number)
    return Array.from({ length: window }, (_, b) => {
      const run = permute(b, window, seed, DEAL, index)
      return samples.slice(run * batchSize, (run + 1) * batchSize)
    })
  }
  const dealt = new Map<number, Sample[][]>()
  return {
    size: sources.reduce((sum, s) => sum + s.records.length, 0),
    records: sources.flatMap((s) => s.records),
    sources: sources.map((s, i) => ({
      file: s.file,
      records: s.records.length,
      text: isText[i] ?? false,
      share: shares[i] ?? 0,
    })),
    teaches(source, record) {
      const { records } = at(sources, source)
      return (
        answerBound(at(records, record), (file) => tiled?.tokens(file) ?? options.imageTokens) < options.maxLength ||
        example({ source, record, epoch: 0 }).labels.some((label) => label !== IGNORED)
      )
    },
    async batchAt(step) {
      if (!Number.isSafeInteger(step) || step < 0) throw new InputError(`step ${step}: expected a whole number from 0`)
      const index = Math.floor(step / window)
      const batches = dealt.get(index) ?? deal(index)
      dealt.set(index, batches)
      for (const key of dealt.keys()) if (Math.abs(key - index) > 1) dealt.delete(key)
      const samples = batches[step % window] ?? []
      const examples = samples.map(example)
      if (tiled) {
        const { pixels, images, tiles } = await tiledPixelsOf(samples, sources, tiled)
        return collate(examples, pixels, images, options.tokenizer.padId, tiles)
      }
      const { pixels, images } = await pixelsOf(samples, sources, store, options)
      return collate(examples, pixels, images, options.tokenizer.padId)
    },
  }
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
  sources: readonly Source[],
  store: ImageStore,
  { imageSize, seed, mean, std }: DatasetOptions,
): Promise<{ pixels: Float32Array; images: number }> {
  const wanted = samples.flatMap((sample) => {
    const source = at(sources, sample.source)
    const record = at(source.records, sample.record)
    if (record.kind === 'text') return []
    return record.images.map((file, i) => ({ file, record, kind: source.augment, key: hash(seed, AUGMENT, sample.number, i) }))
  })
  const stored = await Promise.all(wanted.map(({ file, kind }) => store.get(file, kind)))
  const each = 3 * imageSize * imageSize
  const pixels = new Float32Array(wanted.length * each)
  wanted.forEach(({ record, kind, key }, i) => {
    normalise(augment(at(stored, i), kind, imageSize, random(key), record), mean, std, pixels, i * each)
  })
  return { pixels, images: wanted.length }
}

/** Images of samples as their layouts cut them, one stack of tiles after the other. */
async function tiledPixelsOf(samples: readonly Sample[], sources: readonly Source[], store: TiledImages) {
  const files = samples.flatMap((sample) => {
    const record = at(at(sources, sample.source).records, sample.record)
    return record.kind === 'text' ? [] : record.images
  })
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
  for (const { file, weight = 1, augment = 'none' } of options.sources) {
    if (!(weight >= 0 && Number.isFinite(weight))) throw new InputError(`${file}: weight ${weight}, expected a number from 0`)
    if (options.tiling && augment !== 'none')
      throw new InputError(`${file}: augment ${augment}: images of a tiled (hd) model are taken as they are; use none`)
  }
}

function at<T>(list: readonly T[], i: number): T {
  const item = list[i]
  if (item === undefined) throw new RangeError(`index ${i} of ${list.length}`)
  return item
}
