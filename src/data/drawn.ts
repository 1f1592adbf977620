/**
 * Samples that are drawn while training instead of read from files, so that no image is seen twice. A recipe names a module
 * (`generators: FILE.js`) and, in its data, generators of it (`draw: NAME`); the module exports what `GeneratorModule` says.
 */
import type { RasterImage } from '../image/pixels.js'
import type { AugmentFlags } from './records.js'

/** One question about the image of a sample. Each is learned by itself: it sees the image, not the other questions. */
export interface DrawnQuestion {
  readonly question: string
  readonly answer: string
  /** The answer is learned one character a token, as words that are read off an image are. */
  readonly spelled?: true
}

/** Dense answers about an image, for throw-away classifiers on the vision tower; every text is one of `Generator.labels`. */
export interface ImageLabels {
  /** What the image shows. */
  readonly name?: string
  /** What it shares with other images: its kind, its colour. */
  readonly words?: readonly string[]
  /** What stands in each patch of the vision tower's grid, row by row; '' where nothing does. */
  readonly cells?: readonly string[]
}

export interface DrawnSample extends AugmentFlags {
  /** Pixels, or the absolute path of an image file that is decoded once and kept; absent: the questions are text alone. */
  readonly image?: RasterImage | string
  readonly questions: readonly DrawnQuestion[]
  readonly labels?: ImageLabels
}

/** Every text that labels may have, in a fixed order. */
export interface LabelTexts {
  readonly names: readonly string[]
  readonly words: readonly string[]
  readonly cells: readonly string[]
}

export interface Generator {
  readonly labels?: Partial<LabelTexts>
  /** Sample `number` of a seed: a pure function of the two, so that a resumed run sees what an unbroken one would. */
  draw(seed: number, number: number): DrawnSample
}

/** What a module of generators exports. Each is opened once a thread. */
export interface GeneratorModule {
  readonly generators: Readonly<Record<string, () => Generator | Promise<Generator>>>
}
