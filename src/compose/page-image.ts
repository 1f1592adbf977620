/**
 * One image of a page: decoded again, shrunk to what a page can show, and packed into a data: URL. The file may have been
 * deleted or replaced since the library was read, so it is checked here once more. Knows no HTML.
 */
import sharp from 'sharp'
import { imageSize } from '../image/decode.js'
import { readImageFile } from '../image/read-file.js'

const widest = 1440
const highest = 1600
/** Up to this many pixels on the longer side an image is an icon: enlarged at most twice, and never smoothed. */
const small = 128
/** An image that goes beyond the column needs this many pixels to stay sharp there. */
const wideEnough = 800

export interface PageImage {
  readonly url: string
  /** CSS pixels to show it at, at most. */
  readonly width: number
  readonly height: number
  readonly shape: 'small' | 'column' | 'wide' | 'tall'
}

/** Undefined when the file is no longer an image that can be read. */
export async function pageImage(file: string): Promise<PageImage | undefined> {
  try {
    const bytes = await readImageFile(file)
    // Refuses what is no image, or too large, before it is decoded.
    const { width, height } = await imageSize(bytes, { name: file })
    const source = sharp(bytes, { limitInputPixels: false, failOn: 'error' })
    const icon = Math.max(width, height) <= small
    const shrunk = source.autoOrient().resize({ width: widest, height: highest, fit: 'inside', withoutEnlargement: true })
    const packed = icon ? shrunk.png() : shrunk.webp({ quality: 82 })
    const { data, info: out } = await packed.toBuffer({ resolveWithObject: true })
    const scale = icon ? 2 : 1
    return {
      url: `data:image/${icon ? 'png' : 'webp'};base64,${data.toString('base64')}`,
      width: out.width * scale,
      height: out.height * scale,
      shape: shapeOf(out.width * scale, out.height * scale),
    }
  } catch {
    return undefined
  }
}

/** How a page sets an image: beside its caption, in the column, beyond the column, or limited in height. */
function shapeOf(width: number, height: number): PageImage['shape'] {
  if (Math.max(width, height) <= 2 * small) return 'small'
  if (height > width * 1.1) return 'tall'
  return width >= wideEnough ? 'wide' : 'column'
}
