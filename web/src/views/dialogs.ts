/** Which window is open over the page; one at a time. */
import { signal } from '@preact/signals'

export type OpenDialog =
  | { readonly name: 'settings' | 'shortcuts' }
  | { readonly name: 'delete' | 'rename'; readonly id: string; readonly title: string }
  | { readonly name: 'image'; readonly url: string; readonly alt: string }

export const dialog = signal<OpenDialog | undefined>(undefined)
/** Whether the left column slid in, where it is not always there (phones). */
export const drawer = signal(false)
/** As in style.css. */
const narrow = matchMedia('(max-width: 56rem)')
narrow.addEventListener('change', () => {
  drawer.value = false
})

/** Lets the left column slide in, where it does not stand anyway, with the focus in it. */
export function openDrawer(focus = '.drawer-close'): void {
  drawer.value = narrow.matches
  requestAnimationFrame(() => document.querySelector<HTMLElement>(focus)?.focus())
}

export function closeDrawer(): void {
  drawer.value = false
  requestAnimationFrame(() => document.getElementById('menu')?.focus())
}

export function closeDialog(): void {
  dialog.value = undefined
}
