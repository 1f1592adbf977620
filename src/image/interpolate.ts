/**
 * Torch's bicubic interpolation of floats: a = -0.75, half-pixel centres, no antialiasing, edges clamped (SPEC 5). Unlike
 * image/resize, which is Pillow's on bytes.
 */

const A = -0.75

/** For one output position: the first of its four taps (before clamping) and their weights. */
export interface Taps {
  readonly first: number
  readonly weights: readonly [number, number, number, number]
}

/** Where each of `to` outputs reads among `from` inputs. */
export function bicubicTaps(from: number, to: number): Taps[] {
  const near = (x: number) => ((A + 2) * x - (A + 3)) * x * x + 1
  const far = (x: number) => A * (((x - 5) * x + 8) * x - 4)
  return Array.from({ length: to }, (_, i) => {
    const source = ((i + 0.5) * from) / to - 0.5
    const base = Math.floor(source)
    const t = source - base
    return { first: base - 1, weights: [far(t + 1), near(t), near(1 - t), far(2 - t)] }
  })
}

/** planes [planes, height, width] -> [planes, toHeight, toWidth]. */
export function interpolatePlanes(
  planes: Float32Array,
  count: number,
  height: number,
  width: number,
  toHeight: number,
  toWidth: number,
): Float32Array {
  const rows = bicubicTaps(height, toHeight)
  const columns = bicubicTaps(width, toWidth)
  const out = new Float32Array(count * toHeight * toWidth)
  const clamp = (i: number, size: number) => Math.min(size - 1, Math.max(0, i))
  let at = 0
  for (let plane = 0; plane < count; plane++) {
    const start = plane * height * width
    for (const row of rows) {
      for (const column of columns) {
        let sum = 0
        for (let j = 0; j < 4; j++) {
          const line = start + clamp(row.first + j, height) * width
          let across = 0
          for (let i = 0; i < 4; i++) {
            across += (column.weights[i] as number) * (planes[line + clamp(column.first + i, width)] as number)
          }
          sum += (row.weights[j] as number) * across
        }
        out[at++] = sum
      }
    }
  }
  return out
}
