/** Products with weights stored as 4- or 8-bit blocks (ONNX Runtime's MatMulNBits layout), for inference only. */
import { ShapeError } from '../graph/errors.js'
import { type Graph, staticDim, type Tensor } from '../graph/graph.js'

/** How a [out, in] weight is cut: each row into blocks of `blockSize` values with one float scale each, zero point in the middle. */
export interface BlockFormat {
  readonly bits: 4 | 8
  readonly blockSize: number
}

/**
 * y = x W^T, x [..., in] -> [..., out].
 * @param values u8 [out, blocks, blockSize * bits / 8]
 * @param scales f32 [out * blocks]
 */
export function quantizedLinear(g: Graph, x: Tensor, values: Tensor, scales: Tensor, format: BlockFormat): Tensor {
  const inputs = staticDim('blockProduct', x.shape, -1)
  const out = staticDim('blockProduct', values.shape, 0)
  const blocks = Math.ceil(inputs / format.blockSize)
  const expected = [out, blocks, (format.blockSize * format.bits) / 8]
  if (values.dtype !== 'u8' || values.shape.join() !== expected.join() || scales.shape.join() !== `${out * blocks}`) {
    throw new ShapeError(
      'blockProduct',
      [x.shape, values.shape, scales.shape],
      `values of [${expected}] and ${out * blocks} scales`,
      'others',
    )
  }
  const signature = { shape: [...x.shape.slice(0, -1), out], dtype: 'f32' } as const
  const attributes = { K: inputs, N: out, bits: format.bits, block_size: format.blockSize, accuracy_level: 4 }
  return g.node('MatMulNBits', [x, values, scales], [signature], attributes, 'com.microsoft')[0] as Tensor
}
