/** 8-bit pixels in memory and what is done to each of them: alpha, inks, grey. It knows nothing of files. */

/** RGB bytes, row by row: data[(y * width + x) * 3 + channel]. */
export interface RgbImage {
  readonly width: number
  readonly height: number
  readonly data: Uint8Array
}

/** RGB or RGBA bytes, row by row, `channels` of them a pixel; alpha is not multiplied in. */
export interface RasterImage extends RgbImage {
  readonly channels: 3 | 4
}

/** Alpha composited on white, each value rounded to the nearest; an opaque image as it is. */
export function onWhite({ width, height, channels, data }: RasterImage): RgbImage {
  if (channels === 3) return { width, height, data }
  const out = new Uint8Array(width * height * 3)
  for (let from = 0, to = 0; from < data.length; from += 4, to += 3) {
    const alpha = data[from + 3] as number
    if (alpha === 255) {
      out[to] = data[from] as number
      out[to + 1] = data[from + 1] as number
      out[to + 2] = data[from + 2] as number
    } else {
      for (let c = 0; c < 3; c++) out[to + c] = Math.round(255 + (((data[from + c] as number) - 255) * alpha) / 255)
    }
  }
  return { width, height, data: out }
}

/** Colours without alpha, also those that were hidden by it. */
export function withoutAlpha({ width, height, channels, data }: RasterImage): RgbImage {
  if (channels === 3) return { width, height, data }
  const out = new Uint8Array(width * height * 3)
  for (let from = 0, to = 0; from < data.length; from += 4, to += 3) {
    out[to] = data[from] as number
    out[to + 1] = data[from + 1] as number
    out[to + 2] = data[from + 2] as number
  }
  return { width, height, data: out }
}

/** Is every pixel fully opaque? */
export function isOpaque({ channels, data }: RasterImage): boolean {
  if (channels === 4) for (let i = 3; i < data.length; i += 4) if (data[i] !== 255) return false
  return true
}

/**
 * CMYK to RGB as Pillow does, which the reference opens images with: (1 - ink)(1 - black), rounded to bytes. The press profile
 * that sharp would assume makes another image of it: cyan becomes (0, 153, 227).
 */
export function inksToRgb(cmyk: Uint8Array): Uint8Array {
  const rgb = new Uint8Array((cmyk.length / 4) * 3)
  for (let from = 0, to = 0; from < cmyk.length; from += 4) {
    const light = 255 - (cmyk[from + 3] as number)
    for (let c = 0; c < 3; c++) rgb[to++] = light - Math.round(((cmyk[from + c] as number) * light) / 255)
  }
  return rgb
}

/** Grey (1 channel) or grey and alpha (2) to RGB or RGBA. */
export function greyToRgb(grey: Uint8Array, channels: 1 | 2): Uint8Array {
  const out = new Uint8Array((grey.length / channels) * (channels + 2))
  for (let from = 0, to = 0; from < grey.length; from += channels, to += channels + 2) {
    out.fill(grey[from] as number, to, to + 3)
    if (channels === 2) out[to + 3] = grey[from + 1] as number
  }
  return out
}
