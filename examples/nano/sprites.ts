// Renders the concepts' and flags' pictures once, as RGBA PNG of 96x96, and decides which of them may be trained on:
// never the held-out style of a concept, never OpenMoji, and never a picture whose pixels equal a held-out one.
import { createHash } from 'node:crypto'
import { existsSync, linkSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import sharp from 'sharp'
import {
  type Concept,
  type ExtraStyle,
  extraStyles,
  extraSvgs,
  heldOutVendor,
  iconName,
  iconOfHexcode,
  iconSvg,
  unseenVendor,
  type Vendor,
} from './concepts.js'
import type { Country } from './countries.js'
import { type Context, drawing, type ImageSource, loadPicture, pixels } from './drawing.js'
import { packageText, workRoot, writeWhole } from './paths.js'
import { type Colour, palette } from './questions.js'
import { crc32 } from './random.js'

export const spriteSize = 96

/** A rendered picture of something. `box` is the tight box of its visible pixels. */
export interface Sprite {
  readonly vendor: string
  /** Path below the work folder. */
  readonly file: string
  readonly picture: ImageSource
  readonly box: readonly [number, number, number, number]
  /** Index into the palette when one colour covers most of it. */
  readonly colour: number | undefined
}
export interface ConceptSprites {
  readonly concept: Concept
  readonly training: readonly Sprite[]
  /** Further training pictures, in styles that the held-out rule does not count. */
  readonly extra: readonly Sprite[]
  readonly heldOut: Sprite | undefined
  readonly unseen: Sprite | undefined
}
export interface FlagSprites {
  readonly country: Country
  readonly training: readonly Sprite[]
  readonly heldOut: Sprite
}

// Looked up once: millions of pixels are asked about.
const index = Object.fromEntries(palette.map((c, i) => [c.en, i])) as Readonly<Record<Colour['en'], number>>

/** Palette index of one pixel, by hue, saturation and lightness: distances in RGB confuse brown, orange and red. */
export function paletteIndex(r: number, g: number, b: number): number {
  const max = Math.max(r, g, b)
  const min = Math.min(r, g, b)
  const light = (max + min) / 510
  const chroma = max - min
  if (chroma < 28 || (max > 0 && chroma / max < 0.13)) return light > 0.86 ? index.white : light < 0.24 ? index.black : index.gray
  if (max < 45) return index.black
  let hue = max === r ? ((g - b) / chroma + 6) % 6 : max === g ? (b - r) / chroma + 2 : (r - g) / chroma + 4
  hue *= 60
  if (hue < 16 || hue >= 342)
    return light > 0.72 ? index.pink : light < 0.33 && hue >= 5 && hue < 340 && chroma / max < 0.75 ? index.brown : index.red
  if (hue < 46) return light < 0.45 ? index.brown : hue < 40 ? index.orange : index.yellow
  if (hue < 66) return light < 0.3 ? index.brown : index.yellow
  if (hue < 170) return index.green
  if (hue < 252) return index.blue
  if (hue < 296) return index.purple
  return light < 0.45 ? index.purple : index.pink
}

/** The colour that covers at least half of the visible pixels, if any. */
export function dominantColour(rgba: Uint8ClampedArray): number | undefined {
  const counts = new Array<number>(palette.length).fill(0)
  let visible = 0
  // Most pixels are like the one before.
  let [lastR, lastG, lastB, found] = [-1, -1, -1, 0]
  for (let p = 0; p < rgba.length; p += 4) {
    if (rgba[p + 3]! < 128) continue
    visible++
    const [r, g, b] = [rgba[p]!, rgba[p + 1]!, rgba[p + 2]!]
    if (r !== lastR || g !== lastG || b !== lastB) {
      found = paletteIndex(r, g, b)
      lastR = r
      lastG = g
      lastB = b
    }
    counts[found] = counts[found]! + 1
  }
  const best = counts.indexOf(Math.max(...counts))
  return visible > 50 && counts[best]! >= visible * 0.5 ? best : undefined
}

/** Tight box [left, top, right, bottom) of pixels with visible alpha. */
export function visibleBox(rgba: Uint8ClampedArray, size: number): [number, number, number, number] | undefined {
  let [left, top, right, bottom] = [size, size, 0, 0]
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++)
      if (rgba[(y * size + x) * 4 + 3]! > 32) {
        left = Math.min(left, x)
        right = Math.max(right, x + 1)
        top = Math.min(top, y)
        bottom = Math.max(bottom, y + 1)
      }
  return right > left && bottom > top ? [left, top, right, bottom] : undefined
}

const contexts: Context[] = []

async function sprite(vendor: string, name: string, svg: string): Promise<{ sprite: Sprite; hash: string } | undefined> {
  const file = `sprites/${vendor}/${name}.png`
  const path = join(workRoot, file)
  if (!existsSync(path)) {
    const sized = svg.replace(/<svg /, `<svg width="${spriteSize}" height="${spriteSize}" `)
    writeWhole(
      path,
      await sharp(Buffer.from(sized))
        .resize(spriteSize, spriteSize, { fit: 'contain', background: '#0000' })
        .ensureAlpha()
        .png()
        .toBuffer(),
    )
  }
  const picture = await loadPicture(readFileSync(path))
  const context = contexts[0] ?? drawing(spriteSize)
  contexts[0] = context
  context.clearRect(0, 0, spriteSize, spriteSize)
  context.drawImage(picture, 0, 0, spriteSize, spriteSize, 0, 0, spriteSize, spriteSize)
  const rgba = pixels(context, spriteSize)
  const box = visibleBox(rgba, spriteSize)
  if (!box) return undefined
  return {
    sprite: { vendor, file, picture, box, colour: dominantColour(rgba) },
    hash: createHash('sha256').update(rgba).digest('hex'),
  }
}

/** Renders every concept in every style. */
export async function conceptSprites(concepts: readonly Concept[]): Promise<ConceptSprites[]> {
  // All at once: decoding waits for other threads.
  const made = await Promise.all(
    concepts.map(async (concept) => {
      const render = async (vendor: Vendor) => {
        const svg = iconSvg(vendor, concept.icon)
        return svg === undefined ? undefined : sprite(vendor, concept.icon, svg)
      }
      const all = (await Promise.all(concept.vendors.map(render))).filter((s) => s !== undefined)
      return {
        concept,
        all,
        held: heldOutVendor(concept.icon, concept.vendors),
        extra: await extraSprites(concept),
        unseen: concept.unseen ? await render(unseenVendor) : undefined,
      }
    }),
  )
  // Some vendors share drawings (one set was redrawn from another): a copy of a held-out picture is held out too.
  const hidden = new Set(
    made.flatMap((m) => [...m.all.filter((s) => s.sprite.vendor === m.held), ...(m.unseen ? [m.unseen] : [])].map((s) => s.hash)),
  )
  return made.map((m) => ({
    concept: m.concept,
    training: m.all.filter((s) => s.sprite.vendor !== m.held && !hidden.has(s.hash)).map((s) => s.sprite),
    extra: m.extra.filter((s) => !hidden.has(s.hash)).map((s) => s.sprite),
    heldOut: m.all.find((s) => s.sprite.vendor === m.held)?.sprite,
    unseen: m.unseen?.sprite,
  }))
}

/** The extra styles' pictures of a concept, without the family of its held-out vendor. */
async function extraSprites(concept: Concept): Promise<{ sprite: Sprite; hash: string }[]> {
  const held = heldOutVendor(concept.icon, concept.vendors)
  const styles = (Object.keys(extraStyles) as ExtraStyle[]).filter((style) => extraStyles[style] !== held)
  const made = styles.flatMap((style) =>
    extraSvgs(style, concept.icon).map((svg, i) => sprite(style, i === 0 ? concept.icon : `${concept.icon}.${i}`, svg)),
  )
  return (await Promise.all(made)).filter((s) => s !== undefined)
}

/** Renders every country's flag in four styles; one style per country is held out by the rule of the concepts. */
export async function flagSprites(countries: readonly Country[]): Promise<FlagSprites[]> {
  const out = await Promise.all(countries.map(flagSpritesOf))
  return out.filter((flag) => flag !== undefined)
}

async function flagSpritesOf(country: Country): Promise<FlagSprites | undefined> {
  const hexcode = [...country.code].map((c) => (0x1f1e6 + c.charCodeAt(0) - 65).toString(16)).join('-')
  const twemoji = iconOfHexcode('twemoji', hexcode)
  if (!twemoji) return undefined
  const name = iconName(`flag ${country.en}`)
  const base = twemoji.replace(/^flag-(for-)?(flag-)?/, '')
  const svgs: [string, string | undefined][] = [
    ['emojione', iconSvg('emojione', `flag-for-${base}`) ?? iconSvg('emojione', `flag-for-flag-${base}`)],
    ['flag-icons', packageText(`flag-icons/flags/4x3/${country.code.toLowerCase()}.svg`)],
    ['noto-v1', iconSvg('noto-v1', `flag-for-${base}`) ?? iconSvg('noto-v1', `flag-for-flag-${base}`)],
    ['twemoji', iconSvg('twemoji', twemoji)],
  ]
  const sprites: Sprite[] = []
  for (const [vendor, svg] of svgs) {
    const made = svg === undefined ? undefined : await sprite(vendor, name, svg)
    if (made) sprites.push(made.sprite)
  }
  const heldOut = sprites[crc32(name) % sprites.length]
  return heldOut && { country, training: sprites.filter((s) => s !== heldOut), heldOut }
}

/** Links a work file into a set's own folder (sets hold only paths below themselves) and returns the set's relative path. */
export function linkInto(set: string, file: string): string {
  const relative = `img/${file}`
  const target = join(workRoot, set, relative)
  if (!existsSync(target)) {
    mkdirSync(dirname(target), { recursive: true })
    linkSync(join(workRoot, file), target)
  }
  return relative
}

/** The main colour of a concept, where at least two training pictures have one and all of them agree. */
export function agreedColours(things: readonly ConceptSprites[]): Map<string, Colour> {
  const out = new Map<string, Colour>()
  for (const { concept, training } of things) {
    const known = training.flatMap((s) => (s.colour === undefined ? [] : [s.colour]))
    const main = known.length >= 2 && new Set(known).size === 1 ? palette[known[0]!] : undefined
    if (main) out.set(concept.icon, main)
  }
  return out
}
