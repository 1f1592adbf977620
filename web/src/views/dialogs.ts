/** Which window is open over the page; one at a time. */
import { signal } from '@preact/signals'

export type OpenDialog =
  | { readonly name: 'settings' | 'shortcuts' }
  | { readonly name: 'delete' | 'rename'; readonly id: string; readonly title: string }
  | { readonly name: 'image'; readonly url: string; readonly alt: string }

export const dialog = signal<OpenDialog | undefined>(undefined)
/** The list of conversations, where it is not always there (phones). */
export const drawer = signal(false)

export function closeDialog(): void {
  dialog.value = undefined
}
