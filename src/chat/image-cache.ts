/**
 * Rows of images that were seen before, by the hash of their bytes: never by their name, which may come to mean another image. The
 * ones not used for longest go when the budget is full.
 */

export class ImageCache {
  private readonly rows = new Map<string, Float32Array>()
  private bytes = 0

  /** @param maxBytes of all rows together; 0 keeps nothing */
  constructor(private readonly maxBytes = 256 * 2 ** 20) {}

  get(key: string): Float32Array | undefined {
    const found = this.rows.get(key)
    if (found) {
      // A Map keeps the order of insertion: the front is what was not asked for longest.
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
}
