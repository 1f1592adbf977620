/** The pictures of a question: as large as people like them, and as small as the model sees them. */
import { existsSync } from 'node:fs'
import { basename, dirname, extname, join } from 'node:path'
import sharp from 'sharp'
import { type PageImage, pageImage } from '../compose/page-image.js'
import { decodeImage, type RgbImage } from '../image/decode.js'
import { resize } from '../image/resize.js'

/** One picture of a question. */
export interface QuestionPicture {
  readonly view: PageImage
  /** A data: URL of what the model sees, where the view is something else. */
  readonly seen?: string
}

/**
 * The picture of a question for its card: the larger view that stands in a folder `large` beside it, otherwise itself.
 * @param side of the square that the model sees, in pixels
 * @returns undefined when the file is no longer an image that can be read
 */
export async function questionPicture(file: string, side: number): Promise<QuestionPicture | undefined> {
  const large = join(dirname(file), 'large', `${basename(file, extname(file))}.webp`)
  const own = await pageImage(file)
  if (!own) return undefined
  const larger = existsSync(large) ? await pageImage(large) : undefined
  const image = await decodeImage(file)
  if (!larger && image.width === side && image.height === side) return { view: own }
  return { view: larger ?? own, seen: await seenBy(image, side) }
}

/** What the model's preparation makes of an image, before colours become numbers. */
async function seenBy(image: RgbImage, side: number): Promise<string> {
  const { data } = resize(image, side, side)
  const png = await sharp(data, { raw: { width: side, height: side, channels: 3 } })
    .png()
    .toBuffer()
  return `data:image/png;base64,${png.toString('base64')}`
}
