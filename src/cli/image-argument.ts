/** `--image` and a dialogue's `/image`: a picture's file, or what a pipe gives. What cannot be one is named. */
import { createReadStream, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { ChatImage } from '../chat/chat.js'
import { InputError } from '../common/errors.js'
import { MAX_IMAGE_BYTES } from '../image/read-file.js'
import type { Io } from './io.js'
import { pastedPath } from './pasted-path.js'

/** The value that stands for standard input. */
export const STANDARD_INPUT = '-'
/** Names that pictures have, to find one in a folder or on a line. What a file is shows in its bytes. */
export const PICTURE = /\.(png|jpe?g|webp|gif|avif|tiff?|hei[cf])$/i
const PICTURES = 'a PNG, JPEG, WebP, GIF, AVIF or TIFF picture'

/**
 * The picture that a value of `--image` names; a pipe is read to its end.
 * @throws InputError for an address, a folder, or a file that is not there
 */
export async function imageArgument(value: string, io: Pick<Io, 'input' | 'signal'>): Promise<ChatImage> {
  if (value === STANDARD_INPUT) return { bytes: await readAll(io.input, 'standard input', io.signal), name: 'standard input' }
  const file = value.includes('\0') ? value : pastedPath(value)
  const stat = file.includes('\0') ? undefined : statSync(file, { throwIfNoEntry: false })
  if (stat?.isFile()) return { file }
  if (stat?.isDirectory()) throw new InputError(`--image: "${file}" is a folder, expected a picture${example(file)}`)
  if (stat) return { bytes: await readAll(createReadStream(file), file, io.signal), name: file }
  if (/^data:/i.test(value)) return value
  if (/^[a-z][a-z+.-]+:\/\//i.test(value))
    throw new InputError(
      `--image: "${value}" is an address, which is not fetched; download it first: curl -L -o picture "${value}"`,
    )
  throw new InputError(`--image: no file "${file}"; expected ${PICTURES}`)
}

function example(folder: string): string {
  const name = readdirSync(folder).find((entry) => PICTURE.test(entry))
  return name === undefined ? '' : `; name its files one by one, as in --image "${join(folder, name)}"`
}

async function readAll(stream: NodeJS.ReadableStream, name: string, signal: AbortSignal): Promise<Uint8Array> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of stream) {
    signal.throwIfAborted()
    const bytes = Buffer.from(chunk)
    size += bytes.length
    if (size > MAX_IMAGE_BYTES)
      throw new InputError(`--image: ${name} gives more than ${MAX_IMAGE_BYTES} bytes; expected one picture`)
    chunks.push(bytes)
  }
  if (size === 0) throw new InputError(`--image: ${name} gave nothing; expected ${PICTURES}`)
  return Buffer.concat(chunks)
}
