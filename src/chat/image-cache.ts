/**
 * Rows of images that were encoded before, by the hash of their bytes: never by their name, which may come to mean another image. The
 * least recently used go when the budget is full. An image that is being encoded for one request is not encoded again for another.
 */

export class ImageCache {
  private readonly rows = new Map<string, Float32Array>()
  private readonly pending = new Map<string, Promise<Float32Array>>()
  private bytes = 0

  /** @param maxBytes of all rows together; 0 keeps nothing */
  constructor(private readonly maxBytes = 256 * 2 ** 20) {}

  get(key: string): Float32Array | undefined {
    const found = this.rows.get(key)
    if (found) {
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
    return this.get(key) ?? this.pending.get(key)
  }

  /** Notes that `rows` are being computed, and keeps them when they are there. */
  begin(key: string, rows: Promise<Float32Array>): void {
    this.pending.set(key, rows)
    const done = (): void => void this.pending.delete(key)
    rows.then((computed) => this.set(key, computed)).then(done, done)
  }
}
