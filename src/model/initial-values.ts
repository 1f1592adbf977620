/**
 * Fresh values for a model that starts from nothing, or for the parts that a checkpoint does not bring (SPEC 4): what a tensor's role
 * asks for, drawn whole and exactly for training, or row by row from a pool where a model of random weights is only to be measured.
 */
import { hashText, normals } from '../common/normal-numbers.js'
import { type ParameterSpec, parameterCount } from './parameter-spec.js'

/**
 * How low-rank paths start: B at zero, so that training starts from the language model ('zero_b'), or all of it N(0, 0.02) as the
 * reference's code really does ('literal').
 */
export type LowRankStart = 'zero_b' | 'literal'

/** All values the same (deviation 0), or normal around 0. */
interface Distribution {
  readonly mean: number
  readonly deviation: number
}

/** Deviation of the decoder's weights, of embeddings and learned rows. */
const NARROW = 0.02

/**
 * Norm weights 1, biases 0; the decoder, its adapter and whatever is looked up N(0, 0.02); what vision tower and projector multiply
 * with N(0, 1/inputs); low-rank A with the deviation of Kaiming-uniform(a = sqrt 5), 1/sqrt(3 inputs).
 */
function distribution({ role, part, shape, deviation }: ParameterSpec, lowRank: LowRankStart): Distribution {
  if (role === 'norm') return { mean: 1, deviation: 0 }
  if (role === 'bias') return { mean: 0, deviation: 0 }
  const inputs = parameterCount({ shape: shape.slice(1) })
  const normal = (width: number): Distribution => ({ mean: 0, deviation: width })
  if (lowRank === 'zero_b' && role === 'low-rank-b') return { mean: 0, deviation: 0 }
  // A uniform distribution of half-width w has deviation w / sqrt(3); the shape of the distribution does not matter here.
  if (lowRank === 'zero_b' && role === 'low-rank-a') return normal(1 / Math.sqrt(3 * inputs))
  if (deviation !== undefined) return normal(deviation)
  if (role === 'embedding' || role === 'position' || role === 'token') return normal(NARROW)
  return normal(part === 'vision' || part === 'projector' ? 1 / Math.sqrt(inputs) : NARROW)
}

/** A tensor's first values, from the seed and its name (or that of the tensor that it starts as) alone. */
export function initialValues(spec: ParameterSpec, seed: number, lowRank: LowRankStart): Float32Array {
  const values = new Float32Array(parameterCount(spec))
  const { mean, deviation } = distribution(spec, lowRank)
  if (deviation === 0) return values.fill(mean)
  const next = normals(seed ^ hashText(spec.startsAs ?? spec.name))
  for (let i = 0; i < values.length; i++) values[i] = deviation * next()
  return values
}

/** Gives every tensor that `values` lacks its first values: those of the tensor that it starts as, or fresh ones. */
export function fillFresh(
  values: Map<string, Float32Array>,
  specs: readonly ParameterSpec[],
  seed: number,
  lowRank: LowRankStart,
): void {
  for (const spec of specs) {
    if (values.has(spec.name)) continue
    const source = spec.startsAs === undefined ? undefined : values.get(spec.startsAs)
    values.set(spec.name, source ? source.slice() : initialValues(spec, seed, lowRank))
  }
}

/** Normal numbers to copy from: drawing seven billion anew would take longer than writing them. A power of two. */
const POOL = 1 << 20

/**
 * Random values by rows and fast: the returned function gives `count` rows of a tensor's first axis from `first` on. Every tensor is
 * filled, so that nothing that is measured is skipped; the same for the same seed.
 */
export function randomRows(seed: number): (spec: ParameterSpec, first: number, count: number) => Float32Array {
  const pool = Float32Array.from({ length: POOL }, normals(seed))
  return (spec, first, count) => {
    const width = parameterCount({ shape: spec.shape.slice(1) })
    const out = new Float32Array(count * width)
    const { mean, deviation } = distribution(spec, 'literal')
    if (deviation === 0) return out.fill(mean)
    const start = hashText(spec.startsAs ?? spec.name)
    for (let row = 0; row < count; row++) {
      // Each row starts somewhere else in the pool, and runs on from there.
      let from = Math.imul(start ^ (first + row), 0x9e3779b1) >>> 12
      const end = (row + 1) * width
      for (let to = row * width; to < end; to++) {
        out[to] = deviation * (pool[from] as number)
        from = (from + 1) & (POOL - 1)
      }
    }
    return out
  }
}
