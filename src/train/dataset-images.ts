/**
 * Training images in memory: each file is decoded and shrunk to what augmentation needs once, and kept up to a budget of
 * bytes; beyond it images are decoded each time. It knows nothing of records.
 */
import { limited } from '../common/limited.js'
import { decodeImage, decodeRaster, type RasterImage } from '../image/decode.js'
import { type Augmentation, keptForAugment } from './augment.js'

/** Files decoded at the same time: each may take hundreds of megabytes until it is shrunk. */
const AT_ONCE = 4

export class ImageStore {
  private readonly cache = new Map<string, Promise<RasterImage>>()
  private readonly turn = limited(AT_ONCE)
  private bytes = 0

  /** @param size side of the images that augmentation is to make, in pixels */
  constructor(
    private readonly size: number,
    private readonly maxBytes: number,
  ) {}

  /** The image as `augment` of this kind takes it. @throws InputError naming the file when it cannot be decoded */
  get(file: string, kind: Augmentation): Promise<RasterImage> {
    const key = `${kind === 'sprite' ? kind : 'square'} ${file}`
    const kept = this.cache.get(key)
    if (kept) return kept
    const loading = this.turn(() => load(file, kind, this.size))
    // Held while it loads, so that two rows of one batch share the work.
    this.cache.set(key, loading)
    loading.then(
      ({ data }) => {
        if (this.bytes + data.length > this.maxBytes) this.cache.delete(key)
        else this.bytes += data.length
      },
      () => this.cache.delete(key),
    )
    return loading
  }
}

/** Squares are read as a question's image is, so that training and asking see the same pixels. */
async function load(file: string, kind: Augmentation, size: number): Promise<RasterImage> {
  const wanted = [size, size] as const
  if (kind === 'sprite') return keptForAugment(await decodeRaster(file, { wanted }), kind, size)
  return keptForAugment({ ...(await decodeImage(file, { wanted })), channels: 3 }, kind, size)
}
