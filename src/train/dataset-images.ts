/**
 * Decoded training images in memory: each file is decoded once and kept at its stored size, opaque ones without alpha,
 * up to a budget of bytes; beyond it images are decoded each time. It knows nothing of records or augmentation.
 */
import { decodeRgba } from '../image/decode.js'
import type { StoredImage } from './augment.js'

export class ImageStore {
  private readonly cache = new Map<string, Promise<StoredImage>>()
  private bytes = 0

  constructor(private readonly maxBytes: number) {}

  /** @throws InputError naming the file when it cannot be decoded */
  get(file: string): Promise<StoredImage> {
    const kept = this.cache.get(file)
    if (kept) return kept
    const loading = load(file)
    // Held while it loads, so that two rows of one batch share the work.
    this.cache.set(file, loading)
    loading.then(
      ({ data }) => {
        if (this.bytes + data.length > this.maxBytes) this.cache.delete(file)
        else this.bytes += data.length
      },
      () => this.cache.delete(file),
    )
    return loading
  }
}

async function load(file: string): Promise<StoredImage> {
  const { width, height, data } = await decodeRgba(file)
  let opaque = true
  for (let i = 3; i < data.length && opaque; i += 4) opaque = data[i] === 255
  if (!opaque) return { width, height, channels: 4, data }
  const rgb = new Uint8Array(width * height * 3)
  for (let from = 0, to = 0; from < data.length; from += 4, to += 3) {
    rgb[to] = data[from] ?? 0
    rgb[to + 1] = data[from + 1] ?? 0
    rgb[to + 2] = data[from + 2] ?? 0
  }
  return { width, height, channels: 3, data: rgb }
}
