/** The projector (SPEC 5): two linear layers with an exact GELU between, vision width -> hidden width of the decoder. */
import { type Graph, gelu, type Tensor } from '../../engine/index.js'
import { dense, type Weights } from '../weights.js'

/** features [images, tokens, C] -> [images, tokens, hidden]. */
export function projector(g: Graph, w: Weights, features: Tensor): Tensor {
  return dense(g, w, gelu(g, dense(g, w, features, 'vision_proj.0')), 'vision_proj.2')
}
