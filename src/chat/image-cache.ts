/**
 * Rows of images that were encoded before, by the hash of their bytes and how they were prepared: never by their name, which may come to
 * mean another image. The least recently used go when the budget is full. An image that is being encoded for one request is not encoded
 * again for another. Whoever must not share has keys of its own.
 */
import type { CacheStatistics } from '../inference/prefix-cache.js'

const DEFAULT_BYTES = 256 * 2 ** 20

export class ImageCache {
  private readonly rows = new Map<string, Float32Array>()
  private readonly pending = new Map<string, Promise<Float32Array>>()
  private bytes = 0
  private hits = 0
  private misses = 0

  /** @param maxBytes of all rows together; 0 keeps nothing */
  constructor(private readonly maxBytes = DEFAULT_BYTES) {}

  /** A hit is an image that a request did not have to encode. */
  get statistics(): CacheStatistics {
    const { bytes, maxBytes, hits, misses } = this
    return { entries: this.rows.size, bytes, maxBytes, hits, misses }
  }

  get(key: string): Float32Array | undefined {
    const found = this.rows.get(key)
    if (found) {
      this.hits++
      // A Map keeps the order of insertion: the front is the least recently used.
      this.rows.delete(key)
      this.rows.set(key, found)
    }
    return found
  }

  set(key: string, rows: Float32Array): void {
    if (rows.byteLength > this.maxBytes || this.rows.has(key)) return
    this.rows.set(key, rows)
    this.bytes += rows.byteLength
    for (const [oldest, { byteLength }] of this.rows) {
      if (this.bytes <= this.maxBytes) break
      this.rows.delete(oldest)
      this.bytes -= byteLength
    }
  }

  /** The rows, where they are known or being computed. */
  find(key: string): Float32Array | Promise<Float32Array> | undefined {
    const known = this.get(key)
    const coming = known ? undefined : this.pending.get(key)
    if (coming) this.hits++
    return known ?? coming
  }

  /** Notes that `rows` are being computed, and keeps them when they are there. */
  begin(key: string, rows: Promise<Float32Array>): void {
    this.misses++
    this.pending.set(key, rows)
    const done = (): void => void this.pending.delete(key)
    rows.then((computed) => this.set(key, computed)).then(done, done)
  }

  clear(): void {
    this.rows.clear()
    this.bytes = 0
  }
}
