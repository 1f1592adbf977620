/** What is said of a tensor whose values are not all numbers. It is loaded all the same: a part that nobody asks for does no harm. */
import type { TensorEntry } from '../checkpoint/tensors.js'

/** One line, or undefined where `values` (of this tensor, or of a part of it) holds no NaN. */
export function nanNotice({ file, name }: TensorEntry, values: Float32Array): string | undefined {
  if (!holdsNaN(values)) return undefined
  return `${file}: tensor "${name}" holds NaN; answers will be wrong, download or convert the model again`
}

/** A plain loop: every float of a model passes here once, and a callback for each would be felt. */
function holdsNaN(values: Float32Array): boolean {
  for (let i = 0; i < values.length; i++) if (Number.isNaN(values[i])) return true
  return false
}
