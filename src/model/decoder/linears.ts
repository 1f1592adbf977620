/** The linear layers of a decoder block. */
import type { DecoderConfig } from '../config.js'

/** A linear layer of a decoder block: x [..., inputs] -> [..., outputs]. */
export interface DecoderLinear {
  readonly name: string
  readonly layer: number
  readonly outputs: number
  readonly inputs: number
  readonly bias: boolean
  /** Its outputs are queries, keys and values in one. */
  readonly packed: boolean
}

/** The linear layers of one decoder block, in checkpoint order. */
export function decoderLinears(c: DecoderConfig, layer: number) {
  const { hiddenSize: h, intermediateSize: f, bias } = c
  const linear = (
    name: string,
    outputs: number,
    inputs: number,
    more: { bias?: boolean; packed?: true } = {},
  ): DecoderLinear => ({
    name: `model.layers.${layer}.${name}`,
    layer,
    outputs,
    inputs,
    bias: more.bias ?? false,
    packed: more.packed ?? false,
  })
  return {
    wqkv: linear('attention.wqkv', (c.heads + 2 * c.kvHeads) * c.headDim, h, { bias, packed: true }),
    wo: linear('attention.wo', h, h, { bias }),
    w1: linear('feed_forward.w1', f, h),
    w3: linear('feed_forward.w3', f, h),
    w2: linear('feed_forward.w2', h, f),
  }
}
