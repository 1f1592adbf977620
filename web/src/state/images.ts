/**
 * Images of messages: sent to the server once, and read back with the page's key. Each is held as a blob with one object URL for as long as
 * the page is open.
 */
import { type Signal, signal } from '@preact/signals'
import type { StoredImage } from '../../../src/server/app-api/records'
import { request } from '../lib/api'

/** What browsers and the server both read; anything else the browser decodes (HEIC on a Mac) is drawn anew as JPEG. */
const KEPT = /^image\/(png|jpeg|webp|gif|avif)$/
/** A larger file is drawn anew, at most so many pixels a side: more than any model's tiles. */
const MAX_BYTES = 6_000_000
const MAX_SIDE = 4096

interface HeldImage {
  readonly url: string
  readonly blob: Blob
}

const held = new Map<string, Promise<HeldImage>>()
const urls = new Map<string, Signal<string | undefined>>()

/** Sends an image file. @throws AwayError, RefusedError, or a TypeError when it is no image */
export async function storeImage(file: Blob): Promise<StoredImage> {
  const blob = await prepare(file)
  const body = new Blob([blob], { type: blob.type || 'application/octet-stream' })
  const stored = (await (await request('/app/images', { method: 'POST', body })).json()) as StoredImage
  if (!held.has(stored.id)) held.set(stored.id, Promise.resolve({ blob, url: URL.createObjectURL(blob) }))
  return stored
}

async function prepare(file: Blob): Promise<Blob> {
  if (KEPT.test(file.type) && file.size <= MAX_BYTES) return file
  let image: ImageBitmap
  try {
    image = await createImageBitmap(file)
  } catch {
    // The server reads formats that this browser does not (TIFF), and says what is wrong otherwise.
    return file
  }
  const scale = Math.min(1, MAX_SIDE / Math.max(image.width, image.height))
  const canvas = document.createElement('canvas')
  canvas.width = Math.max(1, Math.round(image.width * scale))
  canvas.height = Math.max(1, Math.round(image.height * scale))
  const context = canvas.getContext('2d')
  if (!context) return file
  context.fillStyle = '#fff'
  context.fillRect(0, 0, canvas.width, canvas.height)
  context.drawImage(image, 0, 0, canvas.width, canvas.height)
  image.close()
  return new Promise((resolve) => canvas.toBlob((blob) => resolve(blob ?? file), 'image/jpeg', 0.92))
}

function hold(id: string): Promise<HeldImage> {
  const known = held.get(id)
  if (known) return known
  const reading = request(`/app/images/${id}`).then(async (response) => {
    const blob = await response.blob()
    return { blob, url: URL.createObjectURL(blob) }
  })
  held.set(id, reading)
  // A failure is not kept: the next look tries again.
  reading.catch(() => held.delete(id))
  return reading
}

/** A URL that shows the image; undefined until it is read. */
export function imageUrl(id: string): Signal<string | undefined> {
  const url = urls.get(id) ?? signal<string | undefined>(undefined)
  urls.set(id, url)
  if (url.peek() === undefined) {
    hold(id).then(
      (image) => {
        url.value = image.url
      },
      () => {},
    )
  }
  return url
}

/** The image as a data: URL, for a request of the model. */
export async function imageData(id: string): Promise<string> {
  const { blob } = await hold(id)
  return new Promise((resolve, reject) => {
    const reader = new FileReader()
    reader.onload = () => resolve(reader.result as string)
    reader.onerror = () => reject(reader.error)
    reader.readAsDataURL(blob)
  })
}
