/**
 * Resizing a CLIP position table to another grid (SPEC 5): torch's bicubic interpolation (a = -0.75, half-pixel centres, no
 * antialiasing, edges clamped). Needed when training starts from the public 336-pixel tower; released checkpoints need none.
 */
import { narrowF16, widenF16 } from '../../checkpoint/half.js'
import { bicubicTaps } from '../../image/interpolate.js'

/**
 * table [1 + from * from, width], class row first -> [1 + to * to, width]; the class row is kept.
 * @param viaHalf rounds the resized rows through float16, as the reference does
 */
export function resizePositions(table: Float32Array, from: number, to: number, width: number, viaHalf = false): Float32Array {
  const out = new Float32Array((1 + to * to) * width)
  out.set(table.subarray(0, width))
  const at = bicubicTaps(from, to)
  const clamp = (i: number) => Math.min(from - 1, Math.max(0, i))
  for (let y = 0; y < to; y++)
    for (let x = 0; x < to; x++) {
      const target = (1 + y * to + x) * width
      for (let j = 0; j < 4; j++)
        for (let i = 0; i < 4; i++) {
          const [row, column] = [at[y], at[x]]
          if (!row || !column) continue
          const weight = (row.weights[j] as number) * (column.weights[i] as number)
          const source = (1 + clamp(row.first + j) * from + clamp(column.first + i)) * width
          for (let c = 0; c < width; c++) out[target + c] = (out[target + c] as number) + weight * (table[source + c] as number)
        }
    }
  if (from === to) out.set(table)
  if (viaHalf) widenF16(narrowF16(out.subarray(width)), out, width)
  return out
}
