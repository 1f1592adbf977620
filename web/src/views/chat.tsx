/** The page of a conversation: its head, messages, and where the next question is written. */
import { useEffect, useRef, useState } from 'preact/hooks'
import { request } from '../lib/api'
import { language } from '../lib/preferences'
import { t } from '../lib/words'
import { stop } from '../state/answers'
import { branch, current, currentId, missingId } from '../state/conversations'
import { notice } from '../state/draft'
import { go } from '../state/route'
import { Composer, writingNow } from './composer'
import { dialog } from './dialogs'
import { IconButton } from './icons'
import { MessageView } from './message'
import { Welcome } from './welcome'

/** Closer to the end than this counts as reading along. */
const NEAR_END_PX = 120

export function ChatPage() {
  const [editing, setEditing] = useState<string | undefined>(undefined)
  const messages = branch.value
  const scroller = useRef<HTMLDivElement>(null)
  const follows = useRef(true)
  const writing = writingNow()
  useEffect(() => {
    const box = scroller.current
    if (box && follows.current) box.scrollTop = box.scrollHeight
  }, [messages])
  useEffect(() => {
    follows.current = true
    setEditing(undefined)
  }, [currentId.value])
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const answer = writingNow()
      if (event.key === 'Escape' && answer !== undefined && !document.querySelector('dialog[open]')) stop(answer)
    }
    addEventListener('keydown', onKey)
    return () => removeEventListener('keydown', onKey)
  }, [])

  if (currentId.value === undefined) return <Welcome />
  if (missingId.value === currentId.value) {
    return (
      <div class="empty">
        <h1>{t.value.notFound}</h1>
        <button type="button" class="button" onClick={() => go({ page: 'chat' })}>
          {t.value.newChat}
        </button>
      </div>
    )
  }
  const lastQuestion = messages.findLast(({ role }) => role === 'user')
  return (
    <div class="chat">
      <ChatHead />
      <div
        class="scroller"
        ref={scroller}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reached by keyboard
        tabIndex={0}
        role="log"
        aria-label={t.value.chat}
        onScroll={({ currentTarget: box }) => {
          follows.current = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_END_PX
        }}
      >
        <div class="column">
          {messages.map((message, i) => (
            <MessageView
              key={message.id}
              message={message}
              last={i === messages.length - 1}
              editing={{ id: editing, set: setEditing }}
            />
          ))}
        </div>
      </div>
      <div class="column foot">
        <Composer {...(lastQuestion && writing === undefined ? { onEditLast: () => setEditing(lastQuestion.id) } : {})} />
        <p class="fine">{t.value.canBeWrong}</p>
      </div>
    </div>
  )
}

function ChatHead() {
  const conversation = current.value
  const [open, setOpen] = useState(false)
  const menu = useRef<HTMLDivElement>(null)
  useEffect(() => {
    if (!open) return
    menu.current?.querySelector<HTMLElement>('[role=menuitem]')?.focus()
    const close = (event: Event) => {
      if (!(event instanceof KeyboardEvent) && menu.current?.parentElement?.contains(event.target as Node)) return
      if (event instanceof KeyboardEvent && event.key !== 'Escape') return
      setOpen(false)
      if (event instanceof KeyboardEvent) document.getElementById('chat-menu')?.focus()
    }
    addEventListener('pointerdown', close)
    addEventListener('keydown', close)
    return () => {
      removeEventListener('pointerdown', close)
      removeEventListener('keydown', close)
    }
  }, [open])
  if (!conversation) return <header class="chat-head" />
  const { id } = conversation
  const title = conversation.title || t.value.untitled
  const items: readonly [string, () => void][] = [
    [t.value.rename, () => (dialog.value = { name: 'rename', id, title: conversation.title })],
    [t.value.exportHtml, () => void download(id, 'html')],
    [t.value.exportMarkdown, () => void download(id, 'markdown')],
    [t.value.delete, () => (dialog.value = { name: 'delete', id, title })],
  ]
  const move = (by: number) => {
    const all = [...(menu.current?.querySelectorAll<HTMLElement>('[role=menuitem]') ?? [])]
    const at = all.indexOf(document.activeElement as HTMLElement)
    all[(at + by + all.length) % all.length]?.focus()
  }
  return (
    <header class="chat-head">
      <h1>{title}</h1>
      <div class="menu-place">
        <IconButton
          id="chat-menu"
          icon="more"
          name={t.value.more}
          aria-haspopup="menu"
          aria-expanded={open}
          onClick={() => setOpen(!open)}
        />
        {open && (
          <div
            class="menu"
            role="menu"
            ref={menu}
            tabIndex={-1}
            aria-labelledby="chat-menu"
            onKeyDown={(event) => {
              const by = { ArrowDown: 1, ArrowUp: -1 }[event.key]
              if (by === undefined) return
              event.preventDefault()
              move(by)
            }}
          >
            {items.map(([name, action]) => (
              <button
                key={name}
                type="button"
                role="menuitem"
                onClick={() => {
                  setOpen(false)
                  action()
                }}
              >
                {name}
              </button>
            ))}
          </div>
        )}
      </div>
    </header>
  )
}

async function download(id: string, format: 'html' | 'markdown'): Promise<void> {
  try {
    const response = await request(`/app/conversations/${id}/export?format=${format}&language=${language.value}`)
    const name = /filename\*=UTF-8''([^;]+)/.exec(response.headers.get('content-disposition') ?? '')?.[1]
    const url = URL.createObjectURL(await response.blob())
    const link = document.createElement('a')
    link.href = url
    link.download = decodeURIComponent(name ?? format)
    link.click()
    setTimeout(() => URL.revokeObjectURL(url), 10_000)
  } catch {
    notice.value = t.value.failed
  }
}
