/** Products with weights stored as 4- or 8-bit blocks (ONNX Runtime's MatMulNBits layout), for inference only. */
import { ShapeError } from '../graph/errors.js'
import { type Graph, staticDim } from '../graph/graph.js'
import { defineOperation, type Tensor } from '../graph/operation.js'

/** How a [out, in] weight is cut: each row into blocks of `blockSize` values with one float scale each, zero point in the middle. */
export interface BlockFormat {
  readonly bits: 4 | 8
  readonly blockSize: number
}

const quantizedLinearOp = defineOperation<[Tensor, Tensor, Tensor], [Tensor], BlockFormat>('quantizedLinear', {
  infer([x, values, scales], { bits, blockSize }) {
    const inputs = staticDim('quantizedLinear', x.shape, -1)
    const out = staticDim('quantizedLinear', values.shape, 0)
    const blocks = Math.ceil(inputs / blockSize)
    const expected = [out, blocks, (blockSize * bits) / 8]
    if (values.dtype !== 'u8' || values.shape.join() !== expected.join() || scales.shape.join() !== `${out * blocks}`) {
      const shapes = [x.shape, values.shape, scales.shape]
      throw new ShapeError('quantizedLinear', shapes, `values of [${expected}] and ${out * blocks} scales`, 'others')
    }
    return [{ shape: [...x.shape.slice(0, -1), out], dtype: 'f32' }]
  },
  emit(g, inputs, outputs, { bits, blockSize }) {
    const [x, values] = inputs
    const [K, N] = [staticDim('quantizedLinear', x.shape, -1), staticDim('quantizedLinear', values.shape, 0)]
    const attributes = { K, N, bits, block_size: blockSize, accuracy_level: 4 }
    g.nodeInto('MatMulNBits', inputs, outputs, attributes, 'com.microsoft')
  },
})

/**
 * y = x W^T with a block-quantised W (inference only), x [..., in] -> [..., out].
 * @param values u8 [out, blocks, blockSize * bits / 8]
 * @param scales f32 [out * blocks]
 */
export function quantizedLinear(g: Graph, x: Tensor, values: Tensor, scales: Tensor, format: BlockFormat): Tensor {
  return g.apply(quantizedLinearOp, [x, values, scales], format)[0]
}
