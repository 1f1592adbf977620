/**
 * Rows of images that were encoded before, by the hash of their bytes and how they were prepared: never by their name, which may come to
 * mean another image. The least recently used go when the budget is full. An image that is being encoded for one request is not encoded
 * again for another. Whoever must not share has keys of its own.
 */
import type { CacheStatistics } from '../inference/prefix-cache.js'

const DEFAULT_BYTES = 256 * 2 ** 20

/** How a model saw an image. */
export interface SeenImage {
  /** Pixels that the vision tower looked at: its square, or all tiles of the image. */
  readonly width: number
  readonly height: number
  /** Positions of the image in the prompt. */
  readonly tokens: number
}

/** An image as the decoder takes it. */
export interface EncodedImage {
  /** [tokens, hidden]. */
  readonly rows: Float32Array
  readonly seen: SeenImage
}

export class ImageCache {
  private readonly images = new Map<string, EncodedImage>()
  private readonly pending = new Map<string, Promise<EncodedImage>>()
  private bytes = 0
  private hits = 0
  private misses = 0

  /** @param maxBytes of all rows together; 0 keeps nothing */
  constructor(private readonly maxBytes = DEFAULT_BYTES) {}

  /** What is kept of an image; where it is, that counts as a hit. */
  get(key: string): EncodedImage | undefined {
    const found = this.images.get(key)
    if (found) {
      this.hits++
      // A Map keeps the order of insertion: the front is the least recently used.
      this.images.delete(key)
      this.images.set(key, found)
    }
    return found
  }

  set(key: string, image: EncodedImage): void {
    const { byteLength } = image.rows
    if (byteLength > this.maxBytes || this.images.has(key)) return
    this.images.set(key, image)
    this.bytes += byteLength
    for (const [oldest, { rows }] of this.images) {
      if (this.bytes <= this.maxBytes) break
      this.images.delete(oldest)
      this.bytes -= rows.byteLength
    }
  }

  /** The image, where it is known or being computed. */
  find(key: string): Promise<EncodedImage> | undefined {
    const known = this.get(key)
    if (known) return Promise.resolve(known)
    const pending = this.pending.get(key)
    if (pending) this.hits++
    return pending
  }

  /** Notes that an image is being computed, and keeps it when it is there. */
  begin(key: string, image: Promise<EncodedImage>): void {
    this.misses++
    this.pending.set(key, image)
    const done = (): void => void this.pending.delete(key)
    image.then((computed) => this.set(key, computed)).then(done, done)
  }

  /** Forgets what is kept; what is being computed is kept when it is there. */
  clear(): void {
    this.images.clear()
    this.bytes = 0
  }

  /** A hit is an image that a request did not have to encode. */
  get statistics(): CacheStatistics {
    const { bytes, maxBytes, hits, misses } = this
    return { entries: this.images.size, bytes, maxBytes, hits, misses }
  }
}
