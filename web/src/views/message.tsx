/** One message: a question with its pictures, or an answer with how it was made, and what can be done with either. */
import { memo } from 'preact/compat'
import { useEffect, useRef, useState } from 'preact/hooks'
import { boxesIn } from '../../../src/data/box'
import { newestLeaf, versionsOf } from '../../../src/server/app-api/branch'
import { duration, number } from '../lib/format'
import { safeHtml } from '../lib/markdown'
import { t } from '../lib/words'
import { askAgain, retry, running } from '../state/answers'
import { branch, current, type Message, setLeaf } from '../state/conversations'
import { models, sees } from '../state/models'
import { go } from '../state/route'
import { IconButton } from './icons'
import { BoxedPicture, Pictures } from './image'

/** The question that is being changed. */
export interface Editing {
  readonly id: string | undefined
  readonly set: (id: string | undefined) => void
}

export function MessageView({ message, last, editing }: { message: Message; last: boolean; editing: Editing }) {
  return message.role === 'user' ? <Question message={message} editing={editing} /> : <Answer message={message} last={last} />
}

function Question({ message, editing }: { message: Message; editing: Editing }) {
  const { text, images } = message
  return (
    <article class="message question" aria-label={t.value.you}>
      {images.length > 0 && <Pictures ids={images} />}
      {editing.id === message.id ? (
        <Editor message={message} onDone={() => editing.set(undefined)} />
      ) : (
        <>
          {text !== '' && <p class="bubble">{text}</p>}
          <div class="tools">
            <Versions message={message} />
            <CopyButton text={text} />
            <IconButton icon="pencil" name={t.value.edit} onClick={() => editing.set(message.id)} />
          </div>
        </>
      )}
    </article>
  )
}

function Editor({ message, onDone }: { message: Message; onDone: () => void }) {
  const field = useRef<HTMLTextAreaElement>(null)
  const [text, setText] = useState(message.text)
  useEffect(() => {
    field.current?.focus()
    field.current?.setSelectionRange(text.length, text.length)
  }, [])
  const send = () => {
    if (text.trim() === '' || !current.value) return
    onDone()
    askAgain(current.value.id, message, text.trim())
  }
  return (
    <form
      class="editor"
      onSubmit={(event) => {
        event.preventDefault()
        send()
      }}
    >
      <textarea
        ref={field}
        aria-label={t.value.edit}
        value={text}
        rows={Math.min(12, text.split('\n').length + 1)}
        onInput={({ currentTarget }) => setText(currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'Escape') {
            event.stopPropagation()
            onDone()
          }
          if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
            event.preventDefault()
            send()
          }
        }}
      />
      <div class="editor-buttons">
        <button type="button" class="button quiet" onClick={onDone}>
          {t.value.cancel}
        </button>
        <button type="submit" class="button" disabled={text.trim() === ''}>
          {t.value.save}
        </button>
      </div>
    </form>
  )
}

const Rendered = memo(({ text }: { text: string }) => {
  return <div class="prose" dangerouslySetInnerHTML={safeHtml(text)} />
})

function Answer({ message, last }: { message: Message; last: boolean }) {
  const { id, text, state, details } = message
  const writing = running.value.has(id)
  const conversation = current.value?.id ?? ''
  // An answer that was being written when the page was left has no end.
  const broken = !writing && (state === 'broken' || state === 'writing')
  const boxes = writing ? [] : boxesIn(text)
  const picture = boxes.length > 0 ? lastImage(message) : undefined
  return (
    <article class="message answer" aria-label={t.value.model} aria-busy={writing}>
      {text === '' ? (
        writing && (
          <p class="thinking">
            <span class="pulse" aria-hidden="true" />
            {t.value.thinking}
          </p>
        )
      ) : (
        <div class={writing ? 'is-writing' : ''}>
          <Rendered text={text} />
        </div>
      )}
      {picture && <BoxedPicture id={picture} boxes={boxes} />}
      {broken && (
        <p class="ending" role="status">
          {t.value.broken} {details.error}
          <button type="button" class="button small" onClick={() => retry(conversation, message)}>
            {t.value.retry}
          </button>
        </p>
      )}
      {!writing && state === 'stopped' && <p class="ending">{t.value.stopped}</p>}
      {!writing && state === 'length' && <p class="ending">{t.value.tooLong}</p>}
      {!writing && (
        <div class={`tools ${last ? 'always' : ''}`}>
          <Numbers message={message} />
          <Versions message={message} />
          <CopyButton text={text} />
          <IconButton icon="retry" name={t.value.retry} onClick={() => retry(conversation, message)} />
          {sees.value && text !== '' && lastImage(message) !== undefined && (
            <button type="button" class="button quiet small" onClick={() => go({ page: 'inside', conversation, message: id })}>
              {t.value.lookInside}
            </button>
          )}
        </div>
      )}
    </article>
  )
}

/** The first picture of the newest question with pictures, above an answer. */
function lastImage(message: Message): string | undefined {
  const above = branch.value.slice(
    0,
    branch.value.findIndex(({ id }) => id === message.id),
  )
  return above.findLast(({ images }) => images.length > 0)?.images[0]
}

function Numbers({ message: { details } }: { message: Message }) {
  const { model, seen, firstTokenMs, tokensPerSecond, cachedTokens } = details
  const parts = [
    (models.value?.length ?? 0) > 1 ? model : undefined,
    ...(seen ?? []).slice(-1).map(({ width, height, tokens }) => t.value.saw(width, height, tokens)),
    firstTokenMs === undefined ? undefined : t.value.firstToken(duration(firstTokenMs)),
    tokensPerSecond === undefined ? undefined : t.value.speed(number(tokensPerSecond, tokensPerSecond < 10 ? 1 : 0)),
    cachedTokens ? t.value.cached(cachedTokens) : undefined,
  ].filter((part) => part !== undefined)
  if (parts.length === 0) return null
  return (
    <p class="numbers">
      {parts.map((part) => (
        <span key={part}>{part}</span>
      ))}
    </p>
  )
}

function Versions({ message }: { message: Message }) {
  const conversation = current.value
  const versions = conversation ? versionsOf(conversation.messages, message) : []
  if (!conversation || versions.length < 2) return null
  const at = versions.findIndex(({ id }) => id === message.id)
  const show = (version: Message | undefined) => {
    if (version) setLeaf(conversation.id, newestLeaf(conversation.messages, version.id))
  }
  return (
    <fieldset class="versions" aria-label={t.value.version(at + 1, versions.length)}>
      <IconButton icon="left" name={t.value.previousVersion} disabled={at === 0} onClick={() => show(versions[at - 1])} />
      <span aria-hidden="true">
        {at + 1}/{versions.length}
      </span>
      <IconButton
        icon="right"
        name={t.value.nextVersion}
        disabled={at === versions.length - 1}
        onClick={() => show(versions[at + 1])}
      />
    </fieldset>
  )
}

const COPIED_MS = 1500

function CopyButton({ text }: { text: string }) {
  const [copied, setCopied] = useState(false)
  // Browsers copy only on https addresses and this machine's own.
  if (text === '' || !navigator.clipboard) return null
  return (
    <IconButton
      icon={copied ? 'check' : 'copy'}
      name={copied ? t.value.copied : t.value.copy}
      onClick={() => {
        navigator.clipboard.writeText(text).then(
          () => {
            setCopied(true)
            setTimeout(() => setCopied(false), COPIED_MS)
          },
          () => {},
        )
      }}
    />
  )
}
