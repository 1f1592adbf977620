import { execFileSync } from 'node:child_process'
import { createWriteStream, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { afterAll, expect, it } from 'vitest'
import { InputError } from '../common/errors.js'
import { fakeIo } from './fake-io.js'
import { imageArgument } from './image-argument.js'

const root = mkdtempSync(join(tmpdir(), 'image-argument-'))
afterAll(() => rmSync(root, { recursive: true }))
const file = join(root, 'my cat.png')
writeFileSync(file, 'bytes of a picture')

const standardInput = (content: string) => {
  const input = new PassThrough()
  input.end(content)
  return { ...fakeIo(), input }
}

it('names a file, also as a terminal or a browser writes its path', async () => {
  for (const value of [file, file.replace(' ', '\\ '), `"${file}"`])
    expect(await imageArgument(value, fakeIo())).toEqual({ file })
})

it('reads standard input to its end', async () => {
  const bytes = Buffer.from('bytes')
  expect(await imageArgument('-', standardInput('bytes'))).toEqual({ bytes, name: 'standard input' })
  await expect(imageArgument('-', standardInput(''))).rejects.toThrow(/^--image: standard input gave nothing/)
})

it.skipIf(process.platform === 'win32')('reads a pipe to its end', async () => {
  const pipe = join(root, 'pipe')
  execFileSync('mkfifo', [pipe])
  const writing = createWriteStream(pipe)
  writing.end(readFileSync(file))
  expect(await imageArgument(pipe, fakeIo())).toEqual({ bytes: readFileSync(file), name: pipe })
})

it.each([
  [
    'https://example.org/cat.png',
    /^--image: "https:\/\/example\.org\/cat\.png" is an address, which is not fetched; download it/,
  ],
  [root, /^--image: ".*" is a folder, expected a picture; name its files one by one, as in --image ".*my cat\.png"$/],
  [join(root, 'dog.png'), /^--image: no file ".*dog\.png"; expected a PNG, JPEG, WebP, GIF, AVIF or TIFF picture$/],
  ['a\0b', /^--image: no file/],
])('refuses %j', async (value, message) => {
  await expect(imageArgument(value, fakeIo())).rejects.toThrow(message)
  await expect(imageArgument(value, fakeIo())).rejects.toThrow(InputError)
})

it('says that a folder is one where it holds no picture', async () => {
  mkdirSync(join(root, 'empty'))
  await expect(imageArgument(join(root, 'empty'), fakeIo())).rejects.toThrow(/is a folder, expected a picture$/)
})
