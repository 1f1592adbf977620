/**
 * Dimensions of symbolic tensors: numbers, or names of sizes known only at run time ("rows", "tokens"), or products of
 * both in one canonical spelling ("4*tokens"), so that equal sizes are equal strings.
 */

/** A static size, or the name (or canonical product) of a dynamic one. */
export type Dim = number | string

/** Shape of a tensor, outermost dimension first. */
export type Shape = readonly Dim[]

function factors(dims: readonly Dim[]): { coefficient: number; names: string[] } {
  let coefficient = 1
  const names: string[] = []
  for (const dim of dims) {
    if (typeof dim === 'number') coefficient *= dim
    else
      for (const part of dim.split('*')) {
        const n = Number(part)
        if (Number.isNaN(n)) names.push(part)
        else coefficient *= n
      }
  }
  return { coefficient, names: names.sort() }
}

/** The product of dimensions as one dimension. */
export function product(...dims: Dim[]): Dim {
  const { coefficient, names } = factors(dims)
  if (names.length === 0 || coefficient === 0) return coefficient
  return coefficient === 1 ? names.join('*') : `${coefficient}*${names.join('*')}`
}

/** Whether two shapes are the same, dimension by dimension. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((d, i) => d === b[i])
}

/** The shape both broadcast to (numpy's rule), or undefined. A dynamic dimension broadcasts only against 1 or itself. */
export function broadcast(a: Shape, b: Shape): Dim[] | undefined {
  const rank = Math.max(a.length, b.length)
  const out: Dim[] = []
  for (let i = 0; i < rank; i++) {
    const x = a[a.length - rank + i] ?? 1
    const y = b[b.length - rank + i] ?? 1
    if (x === y || y === 1) out.push(x)
    else if (x === 1) out.push(y)
    else return undefined
  }
  return out
}

/** Number of elements when every dimension is static; throws a RangeError otherwise. */
export function elements(shape: Shape): number {
  const n = product(...shape)
  if (typeof n !== 'number') throw new RangeError(`shape [${shape.join(', ')}] has dynamic dimensions`)
  return n
}
