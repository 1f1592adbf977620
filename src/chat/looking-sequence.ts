/** A sequence that notes, while it grows id by id, where each position looked: attention to images and to text, layer by layer. */
import type { DecoderSequence } from '../inference/decoder-runtime.js'
import type { AttentionKind } from '../inference/decoder-sessions.js'
import type { Sequence } from '../inference/sequence.js'
import type { PlacedView } from './image-views.js'

/** What one position looked at in one layer. */
export interface Look {
  /** For each view the weight of each cell; the mean over heads. */
  readonly views: number[][]
  /** The same for each head, where that was asked for. */
  readonly heads?: number[][][]
  /** Weight of all image tokens; the others are text. */
  readonly imageShare: number
  /** Weight of the very first position, where models put what they have no use for. */
  readonly firstShare: number
}

/** What is noted. */
export interface LookingOptions {
  readonly views: readonly PlacedView[]
  /** Layers, from 0. */
  readonly layers: readonly number[]
  readonly heads: boolean
  /** Positions of image tokens, marks of tiled images included. */
  readonly imagePositions: readonly number[]
}

/** Grows a sequence, which stays its owner's. */
export class LookingSequence implements Sequence {
  /** For each id that was appended, for each layer that was asked for. */
  readonly looks: Look[][] = []

  constructor(
    private readonly sequence: DecoderSequence,
    private readonly options: LookingOptions,
  ) {}

  get length(): number {
    return this.sequence.length
  }

  async append(ids: readonly number[]): Promise<Float32Array> {
    const kind: AttentionKind = this.options.heads ? 'heads' : 'mean'
    let last: Float32Array = new Float32Array(0)
    // One by one, as chat decodes: in quantised models a pass over several rows rounds otherwise.
    for (const id of ids) {
      const { logits, attention } = await this.sequence.appendLooking(id, kind)
      last = logits
      this.looks.push(this.options.layers.map((layer) => this.look(attention[layer] as Float32Array)))
    }
    return last
  }

  dispose(): void {
    this.sequence.dispose()
  }

  /** @param weights [heads or 1, length] */
  private look(weights: Float32Array): Look {
    const { views, heads, imagePositions } = this.options
    const { length } = this.sequence
    const rows = Array.from({ length: weights.length / length }, (_, head) =>
      weights.subarray(head * length, (head + 1) * length),
    )
    const mean = (position: number): number => rows.reduce((sum, row) => sum + (row[position] as number), 0) / rows.length
    const cells = (of: (position: number) => number) =>
      views.map(({ positions }) => Array.from(positions, (at) => rounded(of(at))))
    return {
      views: cells(mean),
      ...(heads ? { heads: rows.map((row) => cells((position) => row[position] as number)) } : {}),
      imageShare: imagePositions.reduce((sum, position) => sum + mean(position), 0),
      firstShare: mean(0),
    }
  }
}

/** Digits that say something: the rest would only make the JSON longer. */
function rounded(weight: number): number {
  return Math.round(weight * 1e7) / 1e7
}
