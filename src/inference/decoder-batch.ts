/**
 * Several sequences that advance together: each is a `Sequence` like any other, but an append waits until every open one has
 * appended, and then one pass of the decoder serves them all. The weights are read once for all rows.
 */
import { DisposedError, XComposerError } from '../common/errors.js'
import type { DecoderRuntime, DecoderSequence } from './decoder-runtime.js'
import { KvBatch } from './kv-batch.js'
import type { Sequence } from './sequence.js'

interface Row {
  length: number
  /** The id that this row has appended and the others are waited for. */
  waiting?: { readonly id: number; resolve(logits: Float32Array): void; reject(error: unknown): void } | undefined
}

/** At most `size` sequences. `dispose` when all rows are; rows that are still open then fail with a DisposedError. */
export class DecoderBatch {
  private readonly cache: KvBatch
  /** In the cache's order. */
  private readonly rows: Row[] = []
  private running = false
  private disposed = false

  /** @param positions what the longest sequence is expected to need */
  constructor(
    private readonly model: DecoderRuntime,
    size: number,
    positions: number,
  ) {
    model.checkAlive()
    this.cache = new KvBatch(model.config.decoder, size, positions, model.config.maxLength)
    model.living.add(this)
  }

  /**
   * A row that continues a copy of `sequence`. All rows join before the first appends, and a row that has nothing more to append is
   * disposed at once, since the others wait for it.
   */
  join(sequence: DecoderSequence): Sequence {
    if (this.running) throw new XComposerError('a row joined its batch during a pass')
    const row: Row = { length: sequence.length }
    this.cache.add(sequence.cache)
    this.rows.push(row)
    return {
      get length() {
        return row.length
      },
      append: async (ids) => {
        let logits: Float32Array = new Float32Array(0)
        for (const id of ids) logits = await this.next(row, id)
        return logits
      },
      dispose: () => this.leave(row),
    }
  }

  private next(row: Row, id: number): Promise<Float32Array> {
    if (this.disposed) throw new DisposedError('batch')
    if (row.waiting || !this.rows.includes(row)) throw new XComposerError('a row of a batch appended twice, or after it left')
    return new Promise((resolve, reject) => {
      row.waiting = { id, resolve, reject }
      void this.advance()
    })
  }

  private leave(row: Row): void {
    if (this.disposed) return
    const at = this.rows.indexOf(row)
    if (at < 0) return
    if (this.running) throw new XComposerError('a row left its batch during a pass')
    const last = this.rows.pop() as Row
    if (last !== row) this.rows[at] = last
    this.cache.remove(at)
    void this.advance()
  }

  /** One pass, once every row waits for it. */
  private async advance(): Promise<void> {
    const asked = this.rows.flatMap(({ waiting }) => waiting ?? [])
    if (this.rows.length === 0 || asked.length < this.rows.length) return
    this.running = true
    const rows = [...this.rows]
    let settle: (row: number) => void
    try {
      const embeddings = this.model.store.embed(asked.map(({ id }) => id))
      const logits = await this.model.sessions.runRows(embeddings, this.cache)
      const width = this.model.config.decoder.vocabularySize
      settle = (i) => {
        ;(rows[i] as Row).length++
        asked[i]?.resolve(logits.subarray(i * width, (i + 1) * width))
      }
    } catch (error) {
      settle = (i) => asked[i]?.reject(error)
    }
    this.running = false
    for (const row of rows) row.waiting = undefined
    for (const i of rows.keys()) settle(i)
  }

  dispose(): void {
    if (this.disposed) return
    this.disposed = true
    this.model.living.delete(this)
    this.model.sessions.unbind()
    this.cache.dispose()
    if (this.running) return
    for (const { waiting } of this.rows) waiting?.reject(new DisposedError('batch'))
  }
}
