/** Where questions are written: text, pictures, send and stop. */

import { signal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { connection } from '../lib/api'
import { t } from '../lib/words'
import { ask, running, stop } from '../state/answers'
import { branch } from '../state/conversations'
import { addFiles, clearDraft, draftImages, imageFiles, notice, removeDraftImage } from '../state/draft'
import { sees } from '../state/models'
import { go } from '../state/route'
import { Icon, IconButton } from './icons'

export const draftText = signal('')

/** The answer below the conversation that is being written, if any. */
export function writingNow(): string | undefined {
  const last = branch.value.at(-1)
  return last && running.value.has(last.id) ? last.id : undefined
}

/** Puts the cursor where questions are written. */
export function focusComposer(): void {
  document.getElementById('question')?.focus()
}

export function Composer({ onEditLast }: { onEditLast?: () => void }) {
  const field = useRef<HTMLTextAreaElement>(null)
  const files = useRef<HTMLInputElement>(null)
  const camera = useRef<HTMLInputElement>(null)
  const writing = writingNow()
  const text = draftText.value
  const images = draftImages.value
  const sending = images.some(({ id }) => id === undefined)
  const ready = (text.trim() !== '' || images.length > 0) && !sending && connection.value !== 'away' && writing === undefined

  useEffect(() => {
    const box = field.current
    if (!box) return
    box.style.height = 'auto'
    box.style.height = `${box.scrollHeight}px`
  }, [text])

  const send = () => {
    if (!ready) return
    const id = ask(
      text.trim(),
      images.map((image) => image.id as string),
    )
    draftText.value = ''
    notice.value = ''
    clearDraft()
    go({ page: 'chat', conversation: id })
    focusComposer()
  }
  const pick = ({ currentTarget }: { currentTarget: HTMLInputElement }) => {
    void addFiles([...(currentTarget.files ?? [])])
    currentTarget.value = ''
    focusComposer()
  }

  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault()
        send()
      }}
    >
      {images.length > 0 && (
        <ul class="draft-images">
          {images.map(({ key, name, url, id }) => (
            <li key={key} class={id === undefined ? 'is-sending' : ''}>
              <img src={url} alt={name} />
              <IconButton icon="close" name={t.value.remove(name)} onClick={() => removeDraftImage(key)} />
            </li>
          ))}
        </ul>
      )}
      <textarea
        id="question"
        ref={field}
        rows={1}
        aria-label={sees.value ? t.value.ask : t.value.askText}
        placeholder={sees.value ? t.value.ask : t.value.askText}
        value={text}
        onInput={({ currentTarget }) => {
          draftText.value = currentTarget.value
        }}
        onPaste={(event) => {
          const pasted = imageFiles(event.clipboardData)
          if (pasted.length === 0) return
          event.preventDefault()
          void addFiles(pasted)
        }}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
            event.preventDefault()
            send()
          }
          if (event.key === 'ArrowUp' && text === '' && onEditLast) {
            event.preventDefault()
            onEditLast()
          }
        }}
      />
      <div class="composer-row">
        {sees.value && (
          <>
            <IconButton icon="image" name={t.value.addImage} onClick={() => files.current?.click()} />
            <IconButton icon="camera" class="touch-only" name={t.value.photograph} onClick={() => camera.current?.click()} />
            <input
              ref={files}
              type="file"
              accept="image/*"
              multiple
              hidden
              onChange={pick}
              tabIndex={-1}
              aria-label={t.value.addImage}
            />
            <input
              ref={camera}
              type="file"
              accept="image/*"
              capture="environment"
              hidden
              onChange={pick}
              tabIndex={-1}
              aria-label={t.value.photograph}
            />
          </>
        )}
        <span class="composer-note" role="status">
          {sending ? t.value.reading : notice.value}
        </span>
        {writing === undefined ? (
          <button type="submit" class="send" aria-label={t.value.send} title={t.value.send} disabled={!ready}>
            <Icon name="up" />
          </button>
        ) : (
          <button type="button" class="send" aria-label={t.value.stop} title={t.value.stop} onClick={() => stop(writing)}>
            <Icon name="square" />
          </button>
        )}
      </div>
    </form>
  )
}
