/**
 * Errors of the tensor engine. They carry the data (operation, shapes, expected, got), so that a mistake in a model reads
 * as one line and a test can check the parts.
 */
import { XComposerError } from '../../common/errors.js'
import type { Dim } from './dims.js'

/** A shape or type mistake, found while a graph is being built. */
export class ShapeError extends XComposerError {
  constructor(
    readonly operation: string,
    readonly inputs: readonly (readonly Dim[])[],
    readonly expected: string,
    readonly got: string,
  ) {
    const shapes = inputs.map((s) => `[${s.join(', ')}]`).join(' ')
    super(`${operation}${shapes ? ` of ${shapes}` : ''}: expected ${expected}, got ${got}`)
  }
}

/** ONNX Runtime refused a call; `status` is its OrtErrorCode. */
export class EngineError extends XComposerError {
  constructor(
    readonly call: string,
    readonly status: number,
    readonly text: string,
  ) {
    super(`engine: ${call} failed: ${text.replace(/\s*\n\s*/g, ' ')}`)
  }
}

/** A gradient is asked through something that has none: weights stored in blocks, fused attention, a bare node. */
export class GradientError extends XComposerError {
  constructor(
    readonly operation: string,
    readonly tensor: { readonly name: string; readonly shape: readonly Dim[] },
  ) {
    super(
      `${operation}: has no gradient, but its input "${tensor.name}" of [${tensor.shape.join(', ')}] requires one; it is for inference only, train with its differentiable form`,
    )
  }
}
