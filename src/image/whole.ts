/**
 * Whether an image file's bytes reach its end, told from its last bytes without decoding: a cut download does not. Only a yes
 * counts; where it is no, decoding decides.
 */
import { sniffImage } from './sniff.js'

/** @throws InputError naming `name` when the bytes are no image that is read here */
export function seemsWhole(bytes: Uint8Array, name: string): boolean {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  switch (sniffImage(bytes, name)) {
    case 'jpeg':
      // The end marker stands behind the last scan; that of a preview stands before. What phones append may hold either.
      return data.lastIndexOf('ffd9', undefined, 'hex') > data.lastIndexOf('ffda', undefined, 'hex')
    case 'png':
      return data.subarray(-12).equals(PNG_END)
    case 'webp':
      return data.length >= 8 && data.readUInt32LE(4) + 8 <= data.length
    case 'gif':
      // An empty block ends the pixels.
      return data.subarray(-2).equals(GIF_END)
    default:
      return false
  }
}

const PNG_END = Buffer.from('0000000049454e44ae426082', 'hex')
const GIF_END = Buffer.from('003b', 'hex')
