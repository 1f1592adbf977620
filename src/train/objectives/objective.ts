/**
 * What a training run learns, as the trainer sees it: tensors of its own, the targets of a batch, and a loss that is a sum over them.
 * An objective knows the network and labels; it knows no optimiser, no threads and no files.
 */

import type { LabelTexts } from '../../data/drawn.js'
import { type Graph, gatherRows, linearCrossEntropy, type RowIndex, rmsNorm, type Tensor } from '../../engine/index.js'
import type { ModelConfig } from '../../model/config.js'
import type { ParameterSpec } from '../../model/parameter-spec.js'
import type { Tokenizer } from '../../text/tokenizer.js'
import type { TrainingBatch } from '../batch.js'
import type { Network } from '../network.js'
import type { TrainingGraph } from '../training-graph.js'

/** One cross entropy: places of labelled rows (flat, `rank` numbers each), the class or token of each and its weight. */
export interface Term {
  readonly places: readonly number[]
  readonly rank: number
  readonly ids: readonly number[]
  /** Default: 1 each. */
  readonly weights?: readonly number[]
}

/** What a batch has to teach: how many targets, and the terms of the loss by name. */
export interface Targets {
  readonly count: number
  readonly terms: ReadonlyMap<string, Term>
}

export interface Objective {
  /** Tensors beside those of the model, which are not written with it. */
  readonly parameters: readonly ParameterSpec[]
  /** Values of these that do not start fresh. */
  readonly initial: ReadonlyMap<string, Float32Array>
  /** Which graph a batch needs: there is one for each name. */
  variant(batch: TrainingBatch): string
  targets(batch: TrainingBatch): Targets
  /** Sum of the terms over their targets; inputs of a term are made by `termLoss`. */
  loss(g: Graph, network: Network, variant: string): Tensor
  /** Changes the trained weights once, before the model is written. */
  afterTraining?(graph: TrainingGraph, batch: TrainingBatch): Promise<void>
}

/** What an objective may be made from. */
export interface ObjectiveSetup {
  readonly config: ModelConfig
  /** Values that the model starts with, by tensor name. */
  readonly initial: ReadonlyMap<string, Float32Array>
  readonly tokenizer: Tokenizer
  /** All texts that labels of the data's images have. */
  readonly labels: LabelTexts
  /** Weight of an image's labels beside one token of an answer, for objectives that learn answers; 0 leaves them out. */
  readonly labelWeight: number
}

/** The places of a term: [targets, rank]. */
export function termIndex(g: Graph, term: string, rank: number): RowIndex {
  return g.input(`${term}_index`, 'i64', [`${term}s`, rank])
}

/** Rows of x at the places of a term: [targets, width]. */
export function termRows(g: Graph, x: Tensor, term: string, rank: number): Tensor {
  return gatherRows(g, x, termIndex(g, term, rank))
}

/** Weighted sum of a term's cross entropies: rows [targets, width] against the tensor `head`. */
export function termLoss(g: Graph, network: Network, rows: Tensor, head: string, term: string): Tensor {
  const count = `${term}s`
  const [ids, weights] = [g.input(`${term}_ids`, 'i64', [count]), g.input(`${term}_weights`, 'f32', [count])]
  return linearCrossEntropy(g, rows, network.weights.tensor(g, head), ids, weights)
}

/** Rows at a mean square of 1. */
export function normalised(g: Graph, x: Tensor): Tensor {
  const width = x.shape.at(-1) as number
  return rmsNorm(g, x, g.constant('f32', [width], new Float32Array(width).fill(1)), 1e-6)
}
