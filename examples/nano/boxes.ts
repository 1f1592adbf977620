// Boxes as nano writes them: [x1,y1,x2,y2] in 0..1, snapped to multiples of 1/32 and printed with two decimals.

/** Pixel box, right and bottom exclusive. */
export interface Box {
  readonly left: number
  readonly top: number
  readonly right: number
  readonly bottom: number
}

/** One coordinate in 0..1 as text. Ties (12.5, 37.5, ...) round half to even, so that 0.125 is 0.12 and 0.875 is 0.88. */
export function coordinateText(value: number): string {
  const steps = Math.min(32, Math.max(0, Math.round(value * 32)))
  const hundredths = (steps * 100) / 32
  const low = Math.floor(hundredths)
  const rounded = hundredths - low > 0.5 || (hundredths - low === 0.5 && low % 2 === 1) ? low + 1 : low
  return (rounded / 100).toFixed(2)
}

/** A pixel box of a square picture of `size` pixels as text. */
export function boxText(box: Box, size: number): string {
  return `[${[box.left, box.top, box.right, box.bottom].map((v) => coordinateText(v / size)).join(',')}]`
}
