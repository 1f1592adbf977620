/**
 * How the rows of a prompt are cut into passes so that each has the bits that it has in the whole. The engine multiplies rows together, and
 * adds up one that is left over in another order (measured, on x86): a row must be left over in its pass exactly where it is in the whole.
 */

/** The engine multiplies so many rows at a time; a single row that is left over is added up in another order. */
const ROWS_TOGETHER = 64

/** Rows of a prompt in one pass while others wait for their next token: a divisor of ROWS_TOGETHER. */
export const PIECE_ROWS = 32

/** Whether one of so many rows is left over. */
export const isLeftOver = (rows: number): boolean => rows % ROWS_TOGETHER === 1

/**
 * Rows of the next pass.
 * @param left rows that are still to be computed, of `whole` in one pass; those before were cut off by this function
 * @param most rows that are wanted in one pass, a multiple of PIECE_ROWS; it may be exceeded to get the same bits
 */
export function pieceRows(left: number, whole: number, most = Number.POSITIVE_INFINITY): number {
  if (left <= most && isLeftOver(left) === isLeftOver(whole)) return left
  if (isLeftOver(whole)) {
    // The row that is left over must be the last of a pass with others.
    const last = ROWS_TOGETHER + 1
    return left <= last ? left : Math.min(most, left - last)
  }
  const rows = Math.min(most, left)
  if (left - rows === 1 && !isLeftOver(left)) return left
  return isLeftOver(rows) || left - rows === 1 ? PIECE_ROWS : rows
}
