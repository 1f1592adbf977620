/** The frame of the app: the left column, the page, windows over it, dropping of pictures, and the keyboard. */
import { useEffect, useState } from 'preact/hooks'
import { connection, needsKey } from '../lib/api'
import { t } from '../lib/words'
import { current, currentId } from '../state/conversations'
import { addFiles, imageFiles } from '../state/draft'
import { go, type Route, route } from '../state/route'
import { ChatPage } from './chat'
import { focusComposer } from './composer'
import { closeDrawer, dialog, drawer, openDrawer } from './dialogs'
import { IconButton } from './icons'
import { InsidePage } from './inside'
import { Settings } from './settings'
import { Sidebar } from './sidebar'
import { DeleteWindow, ImageWindow, KeyWindow, RenameWindow, Shortcuts } from './windows'

const page: Readonly<Record<Route['page'], () => preact.VNode>> = { chat: ChatPage, inside: InsidePage }

export function App({ onKey }: { onKey: () => void }) {
  const Page = page[route.value.page]
  useKeyboard()
  useEffect(() => {
    const title = current.value?.title
    document.title = title && currentId.value ? `${title} · XComposer` : 'XComposer'
  }, [current.value?.title, currentId.value])
  return (
    <Drop>
      <button type="button" class="skip" onClick={() => document.getElementById('main')?.focus()}>
        {t.value.skip}
      </button>
      <Sidebar />
      {drawer.value && <div class="shade" />}
      <div class="page" inert={drawer.value}>
        <header class="topbar">
          <IconButton id="menu" icon="menu" name={t.value.menu} aria-expanded={drawer.value} onClick={() => openDrawer()} />
          <span class="topbar-title">XComposer</span>
          <IconButton icon="plus" name={t.value.newChat} onClick={() => go({ page: 'chat' })} />
        </header>
        <div role="status">
          {connection.value !== 'ready' && (
            <p class="banner">
              <span class="pulse" aria-hidden="true" />
              {t.value[connection.value]}
            </p>
          )}
        </div>
        <main id="main" tabIndex={-1}>
          <Page />
        </main>
      </div>
      <Windows onKey={onKey} />
    </Drop>
  )
}

function Windows({ onKey }: { onKey: () => void }) {
  const open = dialog.value
  if (needsKey.value) return <KeyWindow onKey={onKey} />
  switch (open?.name) {
    case 'settings':
      return <Settings />
    case 'shortcuts':
      return <Shortcuts />
    case 'delete':
      return <DeleteWindow id={open.id} title={open.title} />
    case 'rename':
      return <RenameWindow id={open.id} title={open.title} />
    case 'image':
      return <ImageWindow url={open.url} alt={open.alt} />
    default:
      return null
  }
}

function Drop({ children }: { children: preact.ComponentChildren }) {
  const [over, setOver] = useState(0)
  const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes('Files') === true
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: dropping is one more way; the button for pictures is the accessible one
    <div
      class="app"
      onDragEnter={(event) => hasFiles(event) && setOver((n) => n + 1)}
      onDragLeave={(event) => hasFiles(event) && setOver((n) => Math.max(0, n - 1))}
      onDragOver={(event) => hasFiles(event) && event.preventDefault()}
      onDrop={(event) => {
        if (!hasFiles(event)) return
        event.preventDefault()
        setOver(0)
        if (route.value.page !== 'chat') go({ page: 'chat' })
        void addFiles(imageFiles(event.dataTransfer))
        focusComposer()
      }}
    >
      {children}
      {over > 0 && (
        <div class="drop">
          <p>{t.value.dropHere}</p>
        </div>
      )}
    </div>
  )
}

function useKeyboard(): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const typing = event.target instanceof HTMLElement && event.target.matches('input, textarea, select')
      const run = (action: () => void) => {
        event.preventDefault()
        action()
      }
      if (event.key === 'Escape' && drawer.value) return run(closeDrawer)
      if (event.ctrlKey || event.metaKey || document.querySelector('dialog[open]')) return
      if (event.altKey && event.code === 'KeyN') return run(newChat)
      if (event.altKey && event.code === 'KeyK') return run(focusSearch)
      if (event.altKey || typing) return
      if (event.key === '/') return run(focusComposer)
      if (event.key === '?') return run(() => (dialog.value = { name: 'shortcuts' }))
    }
    // Wherever a link of the drawer leads, the drawer is done.
    const onClick = (event: MouseEvent) => {
      if (event.target instanceof Element && event.target.closest('.sidebar a, .shade')) drawer.value = false
    }
    addEventListener('keydown', onKey)
    addEventListener('click', onClick)
    return () => {
      removeEventListener('keydown', onKey)
      removeEventListener('click', onClick)
    }
  }, [])
}

function newChat(): void {
  go({ page: 'chat' })
  requestAnimationFrame(focusComposer)
}

function focusSearch(): void {
  openDrawer('#search')
}
