/** An image file's bytes, undecoded, within a limit: regular files, and pipes to their end. What else a path may be is named. */
import { createReadStream } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { ImageError } from './image-error.js'

/** Bytes of the largest image file that is taken. */
export const MAX_IMAGE_BYTES = 200 * 1024 * 1024

/**
 * Reads a file, or a pipe (`/dev/stdin`, a FIFO) until its writer closes it.
 * @throws ImageError naming the file when it is missing, a folder, a device, an address, or longer than `maxBytes`
 */
export async function readImageFile(file: string, maxBytes: number = MAX_IMAGE_BYTES): Promise<Uint8Array> {
  const kind = await kindOf(file)
  if (kind === 'pipe') return readStream(createReadStream(file), file, maxBytes)
  if (kind === 'standard input') return readStream(process.stdin, file, maxBytes)
  const handle = await open(file, 'r').catch((error: unknown) => unreadable(file, error))
  try {
    const { size } = await handle.stat()
    if (size > maxBytes) throw tooLong(file, `${size} bytes`, maxBytes)
    return await handle.readFile()
  } finally {
    await handle.close()
  }
}

async function kindOf(file: string): Promise<'file' | 'pipe' | 'standard input'> {
  const info = file.includes('\0')
    ? unreadable(file, 'a NUL in its name')
    : await stat(file).catch((e: unknown) => unreadable(file, e))
  if (info.isFile()) return 'file'
  if (info.isFIFO()) return 'pipe'
  if (info.isDirectory()) throw new ImageError(`${file}: a folder, expected an image file; name a file in it`)
  // A parent process may connect standard input by a socket, which cannot be opened by its name.
  if (info.isSocket() && /^\/(dev\/stdin|dev\/fd\/0|proc\/self\/fd\/0)$/.test(file)) return 'standard input'
  throw new ImageError(`${file}: a device or socket, expected an image file`)
}

async function readStream(stream: Readable, file: string, maxBytes: number): Promise<Uint8Array> {
  const parts: Buffer[] = []
  let length = 0
  try {
    for await (const part of stream) {
      const bytes = part as Buffer
      length += bytes.length
      if (length > maxBytes) throw tooLong(file, `more than ${maxBytes} bytes`, maxBytes)
      parts.push(bytes)
    }
  } catch (error) {
    if (error instanceof ImageError) throw error
    unreadable(file, error)
  }
  return Buffer.concat(parts)
}

function unreadable(file: string, error: unknown): never {
  if (/^data:/i.test(file))
    throw new ImageError('a data: URL instead of a path; pass it as a URL, or save the image and name the file')
  if (/^[a-z][a-z\d+.-]*:\/\//i.test(file)) {
    throw new ImageError(`${file}: an address, and images are not fetched; download it first and name the file`)
  }
  const code = error instanceof Error && 'code' in error ? error.code : error
  throw new ImageError(`${file}: cannot be read (${code}); expected an image file`)
}

/** @internal */
export function tooLong(name: string, got: string, limit: number): ImageError {
  return new ImageError(`${name}: ${got}, images of at most ${limit} bytes are taken`)
}
