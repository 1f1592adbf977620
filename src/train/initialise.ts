/** Fresh values for a model that starts from nothing, or for the parts that a checkpoint does not bring (SPEC 4). */
import { hashText, normals } from '../common/normal-numbers.js'
import type { ParameterSpec } from '../model/parameters.js'

/**
 * A tensor's first values, from the seed and its name alone. Norm weights 1, biases 0; the decoder N(0, 0.02); the vision
 * tower and projector N(0, 1/inputs); Plora_A with the deviation of Kaiming-uniform(a = sqrt 5), 1/sqrt(3 inputs). Plora_B is zero ('zero_b', so that training
 * starts from the language model), or everything of PLoRA N(0, 0.02) as the reference's code really does ('literal').
 */
export function initialValues(spec: ParameterSpec, seed: number, ploraInit: 'zero_b' | 'literal'): Float32Array {
  const { name, shape, group } = spec
  const values = new Float32Array(shape.reduce((a, b) => a * b, 1))
  if (/norm[^/]*\.weight$/.test(name) && shape.length === 1) return values.fill(1)
  if (name.endsWith('.bias')) return values
  const inputs = shape.slice(1).reduce((a, b) => a * b, 1)
  const next = normals(seed ^ hashText(name))
  const embedding = /embedding/.test(name) && !/patch/.test(name)
  let deviation = (group === 'vision' || group === 'projector') && !embedding ? 1 / Math.sqrt(inputs) : 0.02
  // Rows of images start no larger than those of words, or nothing that the decoder adds to them would count.
  if (name === 'vision_proj.2.weight') deviation /= 20
  if (group === 'plora' && ploraInit === 'zero_b') {
    if (name.includes('Plora_B')) return values
    // A uniform distribution of half-width w has deviation w / sqrt(3); the shape of the distribution does not matter here.
    deviation = 1 / Math.sqrt(3 * inputs)
  }
  for (let i = 0; i < values.length; i++) values[i] = deviation * next()
  return values
}
