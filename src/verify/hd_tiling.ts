/** goldens/hd_tiling: layouts of tiled images, the bytes and floats of their canvases, and the view of the whole (SPEC 6). */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { decodeImage } from '../image/decode.js'
import { interpolatePlanes } from '../image/interpolate.js'
import { normalise } from '../image/preprocess.js'
import { tileCanvas, tileLayout } from '../image/tiles.js'
import { tiledTokens } from '../model/vision/tile-merge.js'
import type { CaseResult, GoldenCheck } from './check.js'
import { difference, goldenTensors } from './compare.js'

const pair = z.tuple([z.number(), z.number()])
const Layout = z.object({
  hd_num: z.number(),
  tile: z.number().default(336),
  resized: pair,
  pad_top: z.number(),
  pad_bottom: z.number(),
  padded: pair,
  transposed: z.boolean(),
  final: pair,
  tiles_h: z.number(),
  tiles_w: z.number(),
  tokens: z.number(),
})
const Sized = Layout.extend({ size: pair })
const Pixels = Layout.extend({ file: z.string().regex(/^[\w.-]+$/), u8_sha256: z.string(), f32_sha256: z.string() })

/** Patches on a side of a tile of the released model. */
const PATCHES = 24

export const check: GoldenCheck = {
  folder: 'hd_tiling',
  async *run(dir) {
    const read = (name: string): unknown => JSON.parse(readFileSync(join(dir, name), 'utf8'))
    for (const c of z.array(Sized).parse(read('layouts.json'))) {
      yield layoutCase(`${c.size.join('x')} in ${c.hd_num} tiles`, c.size, c)
    }
    for (const c of z.array(Pixels).parse(read('pixels.json'))) {
      const image = await decodeImage(join(dir, c.file), { reading: 'reference' })
      yield layoutCase(`${c.file} layout in ${c.hd_num} tiles`, [image.width, image.height], c)
      const canvas = tileCanvas(image, tileLayout(image.width, image.height, c.hd_num, c.tile))
      yield { name: `${c.file} bytes in ${c.hd_num} tiles`, passed: sha(canvas.data) === c.u8_sha256, detail: 'by hash' }
      const floats = normalise(canvas)
      yield {
        name: `${c.file} floats in ${c.hd_num} tiles`,
        passed: sha(new Uint8Array(floats.buffer)) === c.f32_sha256,
        detail: 'by hash',
      }
    }
    const views = goldenTensors(join(dir, 'global_view.safetensors'))
    for (const name of views.names.filter((n) => /input|in$/.test(n))) yield globalView(views, name)
  },
}

function layoutCase(name: string, [width, height]: readonly [number, number], c: z.infer<typeof Layout>): CaseResult {
  const got = tileLayout(width, height, c.hd_num, c.tile)
  const tokens = tiledTokens(got, PATCHES)
  const values = [
    got.resized,
    got.padTop,
    got.padBottom,
    got.padded,
    got.transposed,
    got.final,
    got.tilesHigh,
    got.tilesWide,
    tokens,
  ]
  const wanted = [c.resized, c.pad_top, c.pad_bottom, c.padded, c.transposed, c.final, c.tiles_h, c.tiles_w, c.tokens]
  return { name, passed: values.join() === wanted.join(), detail: `${values.join(' ')} against ${wanted.join(' ')}` }
}

function globalView(views: ReturnType<typeof goldenTensors>, name: string): CaseResult {
  const result = name.replace(/input$/, 'output').replace(/in$/, 'out')
  const [, planes, height, width] = views.shape(name) as [number, number, number, number]
  const [, , toHeight, toWidth] = views.shape(result) as [number, number, number, number]
  const got = interpolatePlanes(views.floats(name), planes, height, width, toHeight, toWidth)
  const d = difference(got, views.floats(result), 1e-5, 0)
  return { name: `global view of ${name}`, passed: d.ratio <= 1, largestError: d.largest }
}

const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
