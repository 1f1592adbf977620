/** Boxes in answers: corners as fractions of an image's sides. */

/** Corners as fractions of width and height: [x1, y1, x2, y2]. */
export type Box = readonly [number, number, number, number]

/** Every four numbers in 0..1 that stand together as a box with an area, brackets or none, in order. */
export function boxesIn(text: string): Box[] {
  const number = String.raw`(-?\d*\.?\d+(?:e-?\d+)?)`
  const pattern = new RegExp(Array.from({ length: 4 }, () => number).join(String.raw`[\s,;)(\]\[]+`), 'gi')
  return [...text.normalize('NFKC').matchAll(pattern)]
    .map(([, a, b, c, d]) => [Number(a), Number(b), Number(c), Number(d)] as const)
    .filter((box) => box.every((v) => v >= 0 && v <= 1) && box[0] < box[2] && box[1] < box[3])
}

/** The first of them. */
export function firstBox(text: string): Box | undefined {
  return boxesIn(text)[0]
}

/** Intersection over union; 0 when a box is missing. */
export function overlap(a: Box | undefined, b: Box | undefined): number {
  if (a === undefined || b === undefined) return 0
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0])
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1])
  const shared = Math.max(0, width) * Math.max(0, height)
  const area = (box: Box): number => (box[2] - box[0]) * (box[3] - box[1])
  return shared / (area(a) + area(b) - shared)
}
