// The 2D canvas as the recipe uses it, reached through the recipe's own package.json, and the few things drawn with it:
// backgrounds, sprites at pixel boxes, fonts. Knows nothing of questions.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { XComposerError } from '../../src/common/errors.js'
import { type RasterImage, withoutAlpha } from '../../src/image/pixels.js'
import { packagesRoot, recipeRequire, workRoot } from './paths.js'
import { encodePng } from './png.js'
import type { Random } from './random.js'

/** A loaded picture. */
export interface ImageSource {
  readonly width: number
  readonly height: number
}
interface Gradient {
  addColorStop(at: number, colour: string): void
}
/** The part of the canvas interface the recipe needs. */
export interface Context {
  fillStyle: string | Gradient
  strokeStyle: string
  lineWidth: number
  lineJoin: string
  font: string
  textBaseline: string
  textAlign: string
  imageSmoothingQuality: string
  createLinearGradient(x0: number, y0: number, x1: number, y1: number): Gradient
  fillRect(x: number, y: number, w: number, h: number): void
  clearRect(x: number, y: number, w: number, h: number): void
  beginPath(): void
  closePath(): void
  moveTo(x: number, y: number): void
  lineTo(x: number, y: number): void
  arc(x: number, y: number, r: number, from: number, to: number): void
  fill(): void
  stroke(): void
  fillText(text: string, x: number, y: number): void
  measureText(text: string): { width: number; actualBoundingBoxAscent: number; actualBoundingBoxDescent: number }
  drawImage(
    image: ImageSource,
    sx: number,
    sy: number,
    sw: number,
    sh: number,
    dx: number,
    dy: number,
    dw: number,
    dh: number,
  ): void
  getImageData(x: number, y: number, w: number, h: number): { data: Uint8ClampedArray }
}
interface CanvasModule {
  createCanvas(width: number, height: number): { getContext(kind: '2d'): Context }
  loadImage(source: Uint8Array | string): Promise<ImageSource>
  GlobalFonts: { has(name: string): boolean; registerFromPath(path: string, name: string): unknown }
}

let loaded: CanvasModule | undefined
function canvasModule(): CanvasModule {
  loaded ??= recipeRequire('@napi-rs/canvas') as CanvasModule
  return loaded
}

/** A fresh transparent drawing of `size` x `size` pixels. */
export function drawing(size: number): Context {
  return canvasModule().createCanvas(size, size).getContext('2d')
}

const sheets = new Map<number, Context>()

/** The one drawing of this size that is used again and again: what was on it is gone with the next call. */
export function sheet(size: number): Context {
  const known = sheets.get(size)
  if (known) return known
  const made = drawing(size)
  sheets.set(size, made)
  return made
}

/** Decodes a picture file. */
export function loadPicture(file: string | Uint8Array): Promise<ImageSource> {
  return canvasModule().loadImage(file)
}

/** RGBA bytes of a square drawing. */
export function pixels(context: Context, size: number): Uint8ClampedArray {
  return context.getImageData(0, 0, size, size).data
}

/** A copy of a square drawing without its alpha. */
export function rgbImage(context: Context, size: number): RasterImage {
  const rgba = pixels(context, size)
  const data = new Uint8Array(rgba.buffer, rgba.byteOffset, rgba.length)
  return { ...withoutAlpha({ width: size, height: size, channels: 4, data }), channels: 3 }
}

/** Saves a square drawing as RGB PNG at a path below the work folder. */
export function savePng(context: Context, size: number, path: string): void {
  const file = join(workRoot, path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, encodePng(pixels(context, size), size, size))
}

export type Rgb = readonly [number, number, number]
export const css = (rgb: readonly number[]): string => `rgb(${rgb.map(Math.round).join(',')})`

/** A colour near `rgb`. */
export function jitter(rgb: readonly number[], amount: number, rng: Random): Rgb {
  const at = (v: number | undefined) => Math.min(255, Math.max(0, (v ?? 0) + rng.int(-amount, amount)))
  return [at(rgb[0]), at(rgb[1]), at(rgb[2])]
}

/** Fills the drawing with a plain colour or a soft gradient around it. */
export function background(context: Context, size: number, rgb: readonly number[], rng: Random): void {
  if (rng.chance(0.5)) {
    const gradient = context.createLinearGradient(0, 0, rng.chance(0.5) ? size : 0, size)
    gradient.addColorStop(0, css(jitter(rgb, 18, rng)))
    gradient.addColorStop(1, css(jitter(rgb, 18, rng)))
    context.fillStyle = gradient
  } else context.fillStyle = css(jitter(rgb, 10, rng))
  context.fillRect(0, 0, size, size)
}

/** A pale or deep colour that most sprites stand out from. */
export function anyBackground(rng: Random): Rgb {
  if (rng.chance(0.75)) return [rng.int(190, 255), rng.int(190, 255), rng.int(190, 255)]
  return [rng.int(10, 110), rng.int(10, 110), rng.int(10, 110)]
}

/** Fonts of words, all with lower-case Latin letters in a regular or bold cut. Nunito Sans would be nearly the held-out one. */
export const wordFonts = [
  'abril-fatface',
  'alfa-slab-one',
  'andika',
  'anton',
  'architects-daughter',
  'archivo-narrow',
  'arimo',
  'arvo',
  'atkinson-hyperlegible',
  'barlow-condensed',
  'bitter',
  'caveat',
  'comfortaa',
  'comic-neue',
  'courier-prime',
  'cousine',
  'crimson-text',
  'dm-serif-display',
  'eb-garamond',
  'exo-2',
  'fira-sans',
  'fredoka',
  'ibm-plex-mono',
  'ibm-plex-serif',
  'indie-flower',
  'inter',
  'josefin-sans',
  'kalam',
  'lato',
  'libre-baskerville',
  'lora',
  'merriweather',
  'noto-sans',
  'noto-serif',
  'open-sans',
  'orbitron',
  'oswald',
  'overpass-mono',
  'patrick-hand',
  'playfair-display',
  'pt-sans-narrow',
  'pt-serif',
  'quicksand',
  'righteous',
  'roboto-condensed',
  'roboto-mono',
  'roboto-slab',
  'rubik',
  'source-code-pro',
  'source-sans-3',
  'source-serif-4',
  'space-mono',
  'special-elite',
  'tinos',
  'varela-round',
  'vollkorn',
  'work-sans',
  'zilla-slab',
] as const
/** The font that only the evaluation writes in. */
export const heldOutFont = 'nunito'

const weights = ['400', '700'] as const
type Weight = (typeof weights)[number]

const fontFile = (name: string, weight: Weight): string =>
  join(packagesRoot, '@fontsource', name, 'files', `${name}-latin-${weight}-normal.woff2`)

const onlyWeight = new Map<string, Weight>()

/** The family to draw with: a font that has one weight alone is drawn in that. Fonts must be registered. */
export function family(font: string, weight: Weight): string {
  return `${font}-${onlyWeight.get(font) ?? weight}`
}

/** Registers every font file of the recipe under its package name and weight. @throws XComposerError when one cannot be read. */
export function registerFonts(): void {
  const { GlobalFonts } = canvasModule()
  for (const name of [...wordFonts, heldOutFont]) {
    const found = weights.filter((weight) => existsSync(fontFile(name, weight)))
    if (found.length === 1) onlyWeight.set(name, found[0]!)
    // Another thread may have registered it: fonts belong to the process.
    if (
      found.length === 0 ||
      found.some((w) => !GlobalFonts.has(`${name}-${w}`) && !GlobalFonts.registerFromPath(fontFile(name, w), `${name}-${w}`))
    )
      throw new XComposerError(`the font @fontsource/${name} cannot be read: run npm ci in examples/nano again`)
  }
}
