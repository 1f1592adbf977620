/**
 * Half-precision numbers, exact in both directions: IEEE binary16 (F16) and bfloat16 (BF16) to and from float32. Narrowing
 * rounds to nearest, ties to even, and overflows to infinity, as IEEE 754 says. It knows nothing of files or tensors.
 */

let f16Bits: Uint32Array | undefined

/** float32 bit patterns of all 65536 halves: one lookup per value is several times faster than arithmetic. */
function f16Table(): Uint32Array {
  if (f16Bits !== undefined) return f16Bits
  const table = new Uint32Array(65536)
  const asFloat = new Float32Array(table.buffer)
  for (let h = 0; h < 65536; h++) {
    const sign = (h & 0x8000) << 16
    const exponent = (h >> 10) & 31
    const fraction = h & 0x3ff
    if (exponent === 0) asFloat[h] = (sign === 0 ? 1 : -1) * fraction * 2 ** -24
    else table[h] = sign | ((exponent === 31 ? 255 : exponent + 112) << 23) | (fraction << 13)
  }
  f16Bits = table
  return table
}

/** Widens `from` into `to` at element `at`; NaN payloads keep their bits. */
export function widenF16(from: Uint16Array, to: Float32Array, at = 0): void {
  const table = f16Table()
  const bits = new Uint32Array(to.buffer, to.byteOffset, to.length)
  for (let i = 0; i < from.length; i++) bits[at + i] = table[from[i] as number] as number
}

/** Widens `from` into `to` at element `at`: a bfloat16 is the upper half of a float32. */
export function widenBF16(from: Uint16Array, to: Float32Array, at = 0): void {
  const bits = new Uint32Array(to.buffer, to.byteOffset, to.length)
  for (let i = 0; i < from.length; i++) bits[at + i] = (from[i] as number) << 16
}

/** Nearest binary16 of each value, as bit patterns. */
export function narrowF16(from: Float32Array): Uint16Array {
  const bits = new Uint32Array(from.buffer, from.byteOffset, from.length)
  const out = new Uint16Array(from.length)
  for (let i = 0; i < out.length; i++) out[i] = f16Of(bits[i] as number)
  return out
}

function f16Of(bits: number): number {
  const sign = (bits >>> 16) & 0x8000
  const magnitude = bits & 0x7fffffff
  if (magnitude > 0x7f800000) return sign | 0x7e00 | ((magnitude >> 13) & 0x1ff)
  // 65520 is halfway between the largest half and the next step, and ties go to the even one: infinity.
  if (magnitude >= 0x477ff000) return sign | 0x7c00
  if (magnitude >= 0x38800000) return sign | roundShift(magnitude - (112 << 23), 13)
  const shift = 126 - (magnitude >> 23)
  // Below half of the smallest denormal everything is zero; 2^-25 itself ties to the even neighbour, zero as well.
  if (shift > 24) return sign
  return sign | roundShift((magnitude & 0x7fffff) | 0x800000, shift)
}

/** value / 2^shift, to nearest, ties to even; a carry out of the fraction lands in the exponent, which is what it means. */
function roundShift(value: number, shift: number): number {
  const floor = value >> shift
  const rest = value & ((1 << shift) - 1)
  const half = 1 << (shift - 1)
  return rest > half || (rest === half && (floor & 1) === 1) ? floor + 1 : floor
}

/** Nearest bfloat16 of each value, as bit patterns. */
export function narrowBF16(from: Float32Array): Uint16Array {
  const bits = new Uint32Array(from.buffer, from.byteOffset, from.length)
  const out = new Uint16Array(from.length)
  for (let i = 0; i < out.length; i++) {
    const b = bits[i] as number
    // A NaN whose payload sits in the lower half would round to infinity: set the quiet bit instead.
    if ((b & 0x7fffffff) > 0x7f800000) out[i] = (b >>> 16) | 0x40
    else out[i] = (b + 0x7fff + ((b >>> 16) & 1)) >>> 16
  }
  return out
}
