/**
 * Augmentation of training images straight into S x S RGB bytes. 'sprite': an RGBA cut-out on a random ground, by one
 * affine warp; 'photo': small colour changes and shifts; 'none': composite on white and squash. All draws come from the
 * generator passed in. It knows nothing of records, files or batches.
 */

import type { Random } from '../common/random.js'
import type { AugmentFlags } from '../data/records.js'
import { onWhite, type RasterImage, type RgbImage } from '../image/pixels.js'
import { resize } from '../image/resize.js'
import { paintGround } from './augment-ground.js'

export type Augmentation = 'none' | 'sprite' | 'photo'

/** Sprites of more pixels than this are kept smaller. */
const LARGE_SPRITE = 1 << 20

/**
 * What `augment` needs of an image at every draw, no larger than that: of a sprite, halved while it has over a megapixel and
 * stays above one and a half times the target, since every draw would halve it there (bytes are rounded, and an odd last row
 * is left out, a thousandth of it); of others, the square itself. `augment` gives of it what it gives of the image.
 */
export function keptForAugment(image: RasterImage, kind: Augmentation, size: number): RasterImage {
  if (kind !== 'sprite') return { ...resize(onWhite(image), size, size), channels: 3 }
  let kept = image
  while (kept.width * kept.height > LARGE_SPRITE && mustHalve(kept, Math.max(kept.width, kept.height) / size))
    kept = halveRaster(kept)
  return kept
}

/** An image of size x size RGB bytes. */
export function augment(
  image: RasterImage,
  kind: Augmentation,
  size: number,
  random: Random,
  flags: AugmentFlags = {},
): RgbImage {
  if (kind === 'sprite') return sprite(image, size, random, flags)
  const plain = resize(onWhite(image), size, size)
  return kind === 'photo' ? photo(plain, random, flags) : plain
}

function photo(image: RgbImage, random: Random, flags: AugmentFlags): RgbImage {
  const { width, height, data } = image
  const [dx, dy] = flags.shift ? [random.below(5) - 2, random.below(5) - 2] : [0, 0]
  const mirror = flags.flip === true && random.chance(0.5)
  const shifted = new Float32Array(data.length)
  for (let y = 0, to = 0; y < height; y++) {
    const row = clamp(y + dy, 0, height - 1) * width
    for (let x = 0; x < width; x++) {
      const column = clamp(x + dx, 0, width - 1)
      const from = (row + (mirror ? width - 1 - column : column)) * 3
      for (let c = 0; c < 3; c++) shifted[to++] = at(data, from + c)
    }
  }
  const jitter = colourMatrix(random, { brightness: 0.08, contrast: 0.08, saturation: 0.1, hue: 0, grey: 0 })
  return { width, height, data: applyColour(shifted, jitter) }
}

function sprite(image: RasterImage, size: number, random: Random, flags: AugmentFlags): RgbImage {
  const canvas = paintGround(size, random)
  const longest = Math.max(image.width, image.height)
  const target = random.between(0.7, 1) * size
  const angle = (random.between(-10, 10) * Math.PI) / 180
  const mirror = flags.flip === true && random.chance(0.5) ? -1 : 1
  // Shifts stay where the sprite's own square still touches the frame's border from inside, or nearly.
  const room = (size - target) / 2 + size * 0.04
  const centreX = size / 2 + random.between(-room, room)
  const centreY = size / 2 + random.between(-room, room)
  // Halving first keeps each warped sample at less than two source pixels, where bilinear reading does not alias.
  let source = premultiplied(image)
  let scale = longest / target
  while (mustHalve(source, scale)) {
    source = halve(source)
    scale /= 2
  }
  const cos = Math.cos(angle) * scale
  const sin = Math.sin(angle) * scale
  for (let y = 0; y < size; y++) {
    const v = y + 0.5 - centreY
    for (let x = 0; x < size; x++) {
      const u = x + 0.5 - centreX
      const sx = mirror * (cos * u + sin * v) + source.width / 2 - 0.5
      const sy = cos * v - sin * u + source.height / 2 - 0.5
      composite(source, sx, sy, canvas, (y * size + x) * 3)
    }
  }
  if (random.chance(0.08)) blur(canvas, size)
  const colour = flags.keepColour ? { hue: 0, grey: 0 } : { hue: 0.02, grey: 0.02 }
  const jitter = colourMatrix(random, { brightness: 0.1, contrast: 0.1, saturation: 0.15, ...colour })
  return { width: size, height: size, data: applyColour(canvas, jitter) }
}

/** Floats, colour multiplied by alpha, so that reading between pixels never pulls in hidden colours. */
interface Premultiplied {
  readonly width: number
  readonly height: number
  /** [height, width, 4]: red, green, blue in 0..255 times alpha, alpha in 0..1. */
  readonly data: Float32Array
}

function premultiplied(image: RasterImage): Premultiplied {
  const { width, height, data, channels } = image
  const out = new Float32Array(width * height * 4)
  for (let i = 0, from = 0, to = 0; i < width * height; i++, from += channels, to += 4) {
    const alpha = channels === 4 ? at(data, from + 3) / 255 : 1
    out[to] = at(data, from) * alpha
    out[to + 1] = at(data, from + 1) * alpha
    out[to + 2] = at(data, from + 2) * alpha
    out[to + 3] = alpha
  }
  return { width, height, data: out }
}

/** Whether an image that is read at every `scale`-th pixel is halved first. */
function mustHalve({ width, height }: { width: number; height: number }, scale: number): boolean {
  return scale > 1.5 && width > 1 && height > 1
}

function halve(image: Premultiplied): Premultiplied {
  const width = image.width >> 1
  const height = image.height >> 1
  const out = new Float32Array(width * height * 4)
  const stride = image.width * 4
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = 2 * y * stride + 8 * x
      for (let c = from; c < from + 4; c++) {
        const { data } = image
        out[to++] = (at(data, c) + at(data, c + 4) + at(data, c + stride) + at(data, c + stride + 4)) / 4
      }
    }
  }
  return { width, height, data: out }
}

/** The same on bytes, alpha not multiplied in. */
function halveRaster({ width, height, channels, data }: RasterImage): RasterImage {
  const half = { width: width >> 1, height: height >> 1, channels }
  const out = new Uint8Array(half.width * half.height * channels)
  const stride = width * channels
  for (let y = 0, to = 0; y < half.height; y++) {
    for (let x = 0; x < half.width; x++, to += channels) {
      const first = 2 * y * stride + 2 * x * channels
      let [r, g, b, alpha] = [0, 0, 0, 0]
      for (let i = 0; i < 4; i++) {
        const from = first + (i & 1) * channels + (i >> 1) * stride
        const weight = channels === 4 ? at(data, from + 3) : 1
        alpha += weight
        r += weight * at(data, from)
        g += weight * at(data, from + 1)
        b += weight * at(data, from + 2)
      }
      out[to] = Math.round(r / (alpha || 1))
      out[to + 1] = Math.round(g / (alpha || 1))
      out[to + 2] = Math.round(b / (alpha || 1))
      if (channels === 4) out[to + 3] = Math.round(alpha / 4)
    }
  }
  return { ...half, data: out }
}

/** Reads the source at (sx, sy) bilinearly, transparent outside, and lays it over the canvas pixel at `to`. */
function composite(source: Premultiplied, sx: number, sy: number, canvas: Float32Array, to: number): void {
  const { width, height, data } = source
  const x0 = Math.floor(sx)
  const y0 = Math.floor(sy)
  if (x0 < -1 || y0 < -1 || x0 >= width || y0 >= height) return
  let r = 0
  let g = 0
  let b = 0
  let a = 0
  for (let j = 0; j < 2; j++) {
    const y = y0 + j
    if (y < 0 || y >= height) continue
    const wy = j === 0 ? 1 - (sy - y0) : sy - y0
    for (let i = 0; i < 2; i++) {
      const x = x0 + i
      if (x < 0 || x >= width) continue
      const w = wy * (i === 0 ? 1 - (sx - x0) : sx - x0)
      const from = (y * width + x) * 4
      r += w * at(data, from)
      g += w * at(data, from + 1)
      b += w * at(data, from + 2)
      a += w * at(data, from + 3)
    }
  }
  canvas[to] = at(canvas, to) * (1 - a) + r
  canvas[to + 1] = at(canvas, to + 1) * (1 - a) + g
  canvas[to + 2] = at(canvas, to + 2) * (1 - a) + b
}

/** A [1 2 1]/4 blur in both directions, in place; borders repeat. */
function blur(canvas: Float32Array, size: number): void {
  const line = new Float32Array(size)
  const pass = (start: number, step: number): void => {
    for (let i = 0; i < size; i++) line[i] = at(canvas, start + i * step)
    for (let i = 0; i < size; i++) {
      canvas[start + i * step] = (at(line, Math.max(0, i - 1)) + 2 * at(line, i) + at(line, Math.min(size - 1, i + 1))) / 4
    }
  }
  for (let c = 0; c < 3; c++) {
    for (let i = 0; i < size; i++) pass(i * size * 3 + c, 3)
    for (let i = 0; i < size; i++) pass(i * 3 + c, size * 3)
  }
}

interface Jitter {
  readonly brightness: number
  readonly contrast: number
  readonly saturation: number
  /** Largest hue change, as a part of the whole circle. */
  readonly hue: number
  /** Probability of greyscale. */
  readonly grey: number
}

/** All colour changes as one affine map, rows of [r g b offset]: hue turns about the grey axis, saturation scales around it. */
function colourMatrix(random: Random, jitter: Jitter): Float64Array {
  const gain = 1 + random.between(-jitter.brightness, jitter.brightness)
  const contrast = 1 + random.between(-jitter.contrast, jitter.contrast)
  const drawn = 1 + random.between(-jitter.saturation, jitter.saturation)
  const turn = 2 * Math.PI * random.between(-jitter.hue, jitter.hue)
  const saturation = random.chance(jitter.grey) ? 0 : drawn
  const cos = Math.cos(turn) * saturation
  const sin = (Math.sin(turn) * saturation) / Math.sqrt(3)
  const offset = 128 * (1 - contrast)
  const m = new Float64Array(12)
  for (let i = 0; i < 3; i++) {
    for (let j = 0; j < 3; j++) {
      // Rodrigues' rotation about (1,1,1)/sqrt 3, its plane part scaled by the saturation.
      const cross = i === j ? 0 : (j - i + 3) % 3 === 1 ? -sin : sin
      m[i * 4 + j] = ((1 - cos) / 3 + (i === j ? cos : 0) + cross) * gain * contrast
    }
    m[i * 4 + 3] = offset
  }
  return m
}

function applyColour(pixels: Float32Array, m: Float64Array): Uint8Array {
  const [m0 = 1, m1 = 0, m2 = 0, m3 = 0, m4 = 0, m5 = 1, m6 = 0, m7 = 0, m8 = 0, m9 = 0, m10 = 1, m11 = 0] = m
  const out = new Uint8ClampedArray(pixels.length)
  for (let i = 0; i < pixels.length; i += 3) {
    const r = at(pixels, i)
    const g = at(pixels, i + 1)
    const b = at(pixels, i + 2)
    out[i] = m0 * r + m1 * g + m2 * b + m3
    out[i + 1] = m4 * r + m5 * g + m6 * b + m7
    out[i + 2] = m8 * r + m9 * g + m10 * b + m11
  }
  return new Uint8Array(out.buffer)
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high)
}

/** Element of an array whose bounds the loops guarantee; `?? 0` there would cost a branch per pixel. */
function at(data: Float32Array | Uint8Array, i: number): number {
  return data[i] as number
}
