/** Which files are images: by their content, whatever their name; and what is said of those that are not. */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, describe, expect, it } from 'vitest'
import { decodeImage, imageSize } from './decode.js'
import { ImageError } from './image-error.js'
import { readImageFile } from './read-file.js'

const dir = mkdtempSync(join(tmpdir(), 'formats-'))
const path = (name: string) => join(dir, name)
afterAll(() => rmSync(dir, { recursive: true }))

const RGBA = Uint8Array.from({ length: 6 * 4 * 4 }, (_, i) => (i % 4 === 3 ? 255 : (i * 37) % 256))
const RGB = RGBA.filter((_, i) => i % 4 !== 3)
const image = () => sharp(RGBA, { raw: { width: 6, height: 4, channels: 4 } })

describe('is read', () => {
  it.each([
    ['PNG', () => image().png()],
    ['WebP', () => image().webp({ lossless: true })],
    ['AVIF', () => image().avif({ lossless: true, chromaSubsampling: '4:4:4' })],
    ['TIFF', () => image().tiff({ compression: 'lzw' })],
    ['TIFF in tiles, Deflate', () => image().tiff({ compression: 'deflate', tile: true, tileWidth: 16, tileHeight: 16 })],
    ['TIFF of 16 bits', () => image().toColourspace('rgb16').tiff({ compression: 'none' })],
    ['BigTIFF', () => image().tiff({ compression: 'none', bigtiff: true })],
  ])('%s, under any name', async (_, make) => {
    const bytes = await make().toBuffer()
    writeFileSync(path('picture.txt'), bytes)
    expect(await decodeImage(path('picture.txt'))).toEqual({ width: 6, height: 4, data: RGB })
  })

  it('TIFF of grey, of one bit, and of inks', async () => {
    const grey = sharp(Uint8Array.of(0, 100, 255, 7), { raw: { width: 2, height: 2, channels: 1 } })
    const expected = [0, 0, 0, 100, 100, 100, 255, 255, 255, 7, 7, 7]
    expect([...(await decodeImage(await grey.clone().tiff({ compression: 'lzw' }).toBuffer())).data]).toEqual(expected)
    const bit = await grey.clone().threshold(50).toColourspace('b-w').tiff({ compression: 'none', bitdepth: 1 }).toBuffer()
    expect([...(await decodeImage(bit)).data]).toEqual([0, 0, 0, 255, 255, 255, 255, 255, 255, 0, 0, 0])
    const inks = await image().removeAlpha().toColourspace('cmyk').tiff({ compression: 'lzw' }).toBuffer()
    expect((await decodeImage(inks)).data).toHaveLength(72)
  })

  it.skipIf(process.platform === 'win32')('a pipe, to its end', async () => {
    spawnSync('mkfifo', [path('pipe')])
    const bytes = await image().png().toBuffer()
    writeFileSync(path('a.png'), bytes)
    spawn('sh', ['-c', 'cat "$0" > "$1"', path('a.png'), path('pipe')], { stdio: 'ignore' })
    expect(Buffer.compare(await readImageFile(path('pipe')), bytes)).toBe(0)
    // More than is taken: the writer ends when nobody reads on.
    spawn('sh', ['-c', 'cat "$0" > "$1"', process.execPath, path('pipe')], { stdio: 'ignore' })
    await expect(readImageFile(path('pipe'), 1_000_000)).rejects.toThrow(/pipe: more than 1000000 bytes, images of at most/)
  })
})

/** An ISO media file's first box. */
const box = (major: string, ...brands: string[]) => {
  const body = Buffer.from(`ftyp${major}\0\0\0\0${brands.join('')}`, 'latin1')
  const size = Buffer.alloc(4)
  size.writeUInt32BE(body.length + 4)
  return Buffer.concat([size, body, Buffer.alloc(40)])
}

describe('is refused by its content, with what to do:', () => {
  it.each<[string, Uint8Array, RegExp]>([
    ['nothing', new Uint8Array(), /empty file/],
    ['HEIC', box('heic', 'mif1', 'heic'), /a HEIC photo, which is not read here; convert it to JPEG or PNG/],
    ['HEIF without a named codec', box('mif1', 'mif1', 'heix'), /a HEIC photo/],
    ['a video', box('isom', 'isom', 'mp41'), /a video or sound file, expected a PNG, JPEG/],
    ['a web page', Buffer.from('<!DOCTYPE html><html>'), /a web page or XML, expected .*; open it/],
    ['SVG', Buffer.from('<?xml version="1.0"?>\n<svg></svg>'), /an SVG drawing, which is not read here; convert it/],
    ['VIPS', Buffer.from('\x08\xf2\xa6\xb6aaaa', 'latin1'), /a VIPS file/],
    ['PDF', Buffer.from('%PDF-1.7'), /a PDF/],
    ['BMP', Buffer.from('BM\x46\0\0\0', 'latin1'), /a BMP file, which is not read here; convert it to PNG or JPEG/],
    ['a raw photo', Buffer.from('II*\0\x10\0\0\0CR\x02\0', 'latin1'), /a camera's raw file/],
    ['JPEG XL', Buffer.from('\0\0\0\x0cJXL \r\n', 'latin1'), /a JPEG XL image/],
    ['an archive', Buffer.from('PK\x03\x04', 'latin1'), /a compressed archive.*; unpack it/],
    ['a pointer', Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:00\n'), /a Git LFS pointer.*git lfs pull/],
    ['a data URL', Buffer.from('data:image/png;base64,iVBORw0KGgo='), /a data: URL as text/],
    ['text', Buffer.from('not an image at all'), /a text file, expected/],
    ['noise', Buffer.from([1, 2, 3, 200, 201]), /not an image that is known here, expected/],
    ['a TIFF without an image', Buffer.from('II*\0\x08\0\0\0', 'latin1'), /cannot be decoded/],
    ['an AVIF without an image', box('avif', 'avif', 'mif1'), /cannot be decoded/],
  ])('%s', async (_, bytes, message) => {
    writeFileSync(path('photo.png'), bytes)
    await expect(decodeImage(path('photo.png'))).rejects.toThrow(ImageError)
    await expect(decodeImage(path('photo.png'))).rejects.toThrow(message)
    await expect(decodeImage(path('photo.png'))).rejects.toThrow(/photo\.png: /)
  })

  it('a TIFF that claims more pixels than are taken, before it is decoded', async () => {
    const tiff = await image().tiff({ compression: 'none' }).toBuffer()
    const first = tiff.readUInt32LE(4)
    for (let i = 0; i < tiff.readUInt16LE(first); i++) {
      const entry = first + 2 + 12 * i
      // Width and height (TIFF 6.0, tags 256 and 257).
      if ([256, 257].includes(tiff.readUInt16LE(entry))) {
        tiff.writeUInt16LE(4, entry + 2)
        tiff.writeUInt32LE(60_000, entry + 8)
      }
    }
    await expect(imageSize(tiff, { name: 'scan.tif' })).rejects.toThrow(/scan\.tif: 60000x60000 pixels, at most/)
    await expect(decodeImage(tiff, { name: 'scan.tif' })).rejects.toThrow(/scan\.tif: 60000x60000 pixels, at most/)
  })
})

it.each([
  ['a folder', () => dir, /a folder, expected an image file; name a file in it/],
  ['a missing file', () => path('none.png'), /none\.png: cannot be read \(ENOENT\)/],
  [
    'a file below a file',
    () => join(import.meta.filename, 'x.png'),
    /x\.png: cannot be read \(ENOTDIR\); expected an image file/,
  ],
  ['a device', () => '/dev/zero', /a device or socket/],
  ['an address', () => 'https://example.org/cat.png', /cat\.png: an address, and images are not fetched; download it first/],
  ['a data URL', () => 'data:image/png;base64,iVBORw0KGgo=', /a data: URL instead of a path/],
  ['a name with a NUL', () => 'a\0b', /cannot be read/],
])('%s in place of a file is named', async (_, file, message) => {
  await expect(readImageFile(file())).rejects.toThrow(ImageError)
  await expect(readImageFile(file())).rejects.toThrow(message)
})
