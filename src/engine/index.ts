/** What the rest of the project may use of the engine. */

export { gradients } from './graph/autodiff.js'
export { type Dim, product, type Shape } from './graph/dims.js'
export { EngineError, GradientError, ShapeError } from './graph/errors.js'
export { Graph } from './graph/graph.js'
export type { ArrayOf, Dtype } from './graph/onnx.js'
export { defineOperation, type Operation, operations, type Tensor } from './graph/operation.js'
export { add, gelu, mean, mul, quickGelu, scale, silu, width } from './ops/arithmetic.js'
export { type CachedAttention, cachedAttention, fullAttention, rotary } from './ops/attention.js'
export { convolution, hasBlocks } from './ops/convolution.js'
export { cacheWidth, resizeHeads } from './ops/head-size.js'
export { linearCrossEntropy } from './ops/loss.js'
export { layerNorm, linear, matmul, rmsNorm, softmax } from './ops/products.js'
export { type BlockFormat, quantizedLinear } from './ops/quantized.js'
export { addRows, embedding, gatherRows, type RowIndex, setRows } from './ops/rows.js'
export {
  concat,
  convolutionIndex,
  cut,
  gatherPixels,
  join,
  type PixelIndex,
  padFront,
  reshape,
  split,
  transpose,
} from './ops/shape.js'
export { AdamW, type AdamWOptions } from './optim/adamw.js'
export { FlatParameters, type FlatTensor } from './optim/flat-parameters.js'
export { Muon, type MuonOptions } from './optim/muon.js'
export type { Optimizer, TensorRates, Update } from './optim/optimizer.js'
export { OptimizerPool } from './optim/optimizer-pool.js'
export { liveHandles } from './runtime/handles.js'
export { canMapFiles, MappedFile } from './runtime/mapped-file.js'
export { type HostTensor, runOnce } from './runtime/run-once.js'
export { Session, type SessionOptions, WeightPool } from './runtime/session.js'
export { allocate, Value } from './runtime/value.js'
