/** The question that is being written: its pictures. They are sent to the server while the words are typed. */
import { signal } from '@preact/signals'
import { AwayError, RefusedError } from '../lib/api'
import { t } from '../lib/words'
import { storeImage } from './images'
import { sees } from './models'

export interface DraftImage {
  readonly key: string
  readonly name: string
  readonly url: string
  /** Undefined while it is sent. */
  readonly id?: string
}

export const draftImages = signal<readonly DraftImage[]>([])
/** One sentence about what went wrong last. */
export const notice = signal('')

let count = 0

export async function addFiles(files: Iterable<File>): Promise<void> {
  notice.value = sees.value ? '' : t.value.noEyes
  if (!sees.value) return
  await Promise.all([...files].map(addFile))
}

async function addFile(file: File): Promise<void> {
  const key = `${++count}`
  const url = URL.createObjectURL(file)
  const name = file.name || t.value.untitled
  draftImages.value = [...draftImages.value, { key, name, url }]
  try {
    const { id } = await storeImage(file)
    draftImages.value = draftImages.value.map((image) => (image.key === key ? { ...image, id } : image))
  } catch (error) {
    removeDraftImage(key)
    if (error instanceof AwayError) notice.value = t.value.away
    else if (error instanceof RefusedError && error.status >= 500) notice.value = error.message
    else notice.value = t.value.unreadable(name)
  }
}

export function removeDraftImage(key: string): void {
  const image = draftImages.value.find((one) => one.key === key)
  if (image) URL.revokeObjectURL(image.url)
  draftImages.value = draftImages.value.filter((one) => one !== image)
}

export function clearDraft(): void {
  for (const { url } of draftImages.value) URL.revokeObjectURL(url)
  draftImages.value = []
}

/** The files among what was pasted or dropped. */
export function imageFiles(data: DataTransfer | null): File[] {
  return [...(data?.files ?? [])].filter(({ type, name }) => type.startsWith('image/') || /\.(heic|heif|avif|tiff?)$/i.test(name))
}
