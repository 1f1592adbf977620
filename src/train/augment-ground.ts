/** Grounds for cut-out sprites: mostly white and light plain colours, some gradients, noise and two-tone. RGB floats in 0..255. */
import type { Random } from '../common/random.js'

type Colour = readonly [number, number, number]

/** A size x size ground, [size, size, 3]. */
export function paintGround(size: number, random: Random): Float32Array {
  const out = new Float32Array(size * size * 3)
  const kind = random.next()
  if (kind < 0.6) return out.fill(255)
  const first = kind < 0.8 ? light(random) : any(random)
  if (kind < 0.85) return blend(out, size, first, first, () => 0)
  const second = random.chance(0.5) ? light(random) : any(random)
  const angle = random.between(0, 2 * Math.PI)
  const [cos, sin] = [Math.cos(angle) / size, Math.sin(angle) / size]
  const along = (x: number, y: number): number => 0.5 + (x - size / 2) * cos + (y - size / 2) * sin
  if (kind < 0.9) return blend(out, size, first, second, (x, y) => Math.min(1, Math.max(0, along(x, y))))
  if (kind < 0.95) {
    const border = random.between(0.25, 0.75)
    return blend(out, size, first, second, (x, y) => (along(x, y) < border ? 0 : 1))
  }
  const strength = random.between(0.1, 0.5)
  return blend(out, size, first, second, () => random.next() * strength)
}

function blend(out: Float32Array, size: number, a: Colour, b: Colour, weight: (x: number, y: number) => number): Float32Array {
  for (let y = 0, to = 0; y < size; y++) {
    for (let x = 0; x < size; x++, to += 3) {
      const w = weight(x, y)
      out[to] = a[0] + (b[0] - a[0]) * w
      out[to + 1] = a[1] + (b[1] - a[1]) * w
      out[to + 2] = a[2] + (b[2] - a[2]) * w
    }
  }
  return out
}

function light(random: Random): Colour {
  return [random.between(205, 255), random.between(205, 255), random.between(205, 255)]
}

function any(random: Random): Colour {
  return [random.between(0, 255), random.between(0, 255), random.between(0, 255)]
}
