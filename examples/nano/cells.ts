// The grid that the vision tower sees a picture in: 8 x 8 patches of 8 x 8 pixels, and what stands at the centre of each.
import type { Box } from './boxes.js'

const patch = 8
const side = 8

/** One text a patch, row by row: what `at` says of the centre of each, in pixels; '' where it says nothing. */
export function cellsOf(at: (x: number, y: number) => string | undefined): string[] {
  return Array.from({ length: side * side }, (_, i) => {
    const x = (i % side) * patch + patch / 2
    const y = Math.floor(i / side) * patch + patch / 2
    return at(x, y) ?? ''
  })
}

/** Is a point inside a box? */
export function inside(box: Box, x: number, y: number): boolean {
  return x >= box.left && x < box.right && y >= box.top && y < box.bottom
}

/** The names of boxes that do not overlap. */
export function boxCells(named: readonly { readonly name: string; readonly box: Box }[]): string[] {
  return cellsOf((x, y) => named.find(({ box }) => inside(box, x, y))?.name)
}
