/** A modal window: the browser's own, which keeps the focus inside, closes with Escape and gives the focus back. */
import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { t } from '../lib/words'
import { IconButton } from './icons'

export function Dialog({
  title,
  onClose,
  class: more = '',
  children,
}: {
  title: string
  onClose: () => void
  class?: string
  children: ComponentChildren
}) {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    const window = dialog.current
    if (!window) return
    window.showModal()
    // What is outside the body is the shade around the window.
    const onClick = ({ target }: MouseEvent) => {
      if (target === window) window.close()
    }
    window.addEventListener('click', onClick)
    return () => window.removeEventListener('click', onClick)
  }, [])
  return (
    <dialog ref={dialog} class={`dialog ${more}`} aria-label={title} onClose={onClose}>
      <div class="dialog-body">
        <header class="dialog-head">
          <h2>{title}</h2>
          <IconButton icon="close" name={t.value.close} onClick={() => dialog.current?.close()} />
        </header>
        {children}
      </div>
    </dialog>
  )
}
