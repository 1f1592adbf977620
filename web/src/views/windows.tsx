/** The small windows: the keyboard, deleting, renaming, a picture in full, the server's key. */
import { useState } from 'preact/hooks'
import { enterKey, needsKey } from '../lib/api'
import { t } from '../lib/words'
import { currentId, deleteConversation, renameConversation } from '../state/conversations'
import { go } from '../state/route'
import { Dialog } from './dialog'
import { closeDialog, type OpenDialog } from './dialogs'

export function Shortcuts() {
  const list = t.value.shortcutList
  const rows: readonly [string, readonly string[]][] = [
    [list.send, ['Enter']],
    [list.line, ['Shift', 'Enter']],
    [list.stop, ['Esc']],
    [list.editLast, ['↑']],
    [list.newChat, ['Alt', 'N']],
    [list.search, ['Alt', 'K']],
    [list.write, ['/']],
    [list.help, ['?']],
  ]
  return (
    <Dialog title={t.value.shortcuts} onClose={closeDialog}>
      <dl class="shortcuts">
        {rows.map(([name, keys]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dd>
          </div>
        ))}
      </dl>
    </Dialog>
  )
}

type About<Name> = Extract<OpenDialog, { readonly name: Name }>

export function DeleteWindow({ id, title }: Omit<About<'delete' | 'rename'>, 'name'>) {
  const [failed, setFailed] = useState(false)
  const remove = async () => {
    try {
      await deleteConversation(id)
      closeDialog()
      if (currentId.value === id) go({ page: 'chat' })
    } catch {
      setFailed(true)
    }
  }
  return (
    <Dialog title={t.value.deleteQuestion(title)} onClose={closeDialog}>
      <p>{t.value.deleteMore}</p>
      {failed && <p role="alert">{t.value.failed}</p>}
      <div class="dialog-buttons">
        <button type="button" class="button quiet" onClick={closeDialog}>
          {t.value.cancel}
        </button>
        <button type="button" class="button" onClick={() => void remove()}>
          {t.value.delete}
        </button>
      </div>
    </Dialog>
  )
}

export function RenameWindow({ id, title }: Omit<About<'delete' | 'rename'>, 'name'>) {
  const [text, setText] = useState(title)
  return (
    <Dialog title={t.value.rename} onClose={closeDialog}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          if (text.trim() !== '') renameConversation(id, text.trim())
          closeDialog()
        }}
      >
        <input
          class="field"
          aria-label={t.value.rename}
          maxLength={200}
          value={text}
          onInput={({ currentTarget }) => setText(currentTarget.value)}
        />
        <div class="dialog-buttons">
          <button type="button" class="button quiet" onClick={closeDialog}>
            {t.value.cancel}
          </button>
          <button type="submit" class="button">
            {t.value.rename}
          </button>
        </div>
      </form>
    </Dialog>
  )
}

export function ImageWindow({ url, alt }: Omit<About<'image'>, 'name'>) {
  return (
    <Dialog title={alt} onClose={closeDialog} class="image-window">
      <img src={url} alt={alt} />
    </Dialog>
  )
}

export function KeyWindow({ onKey }: { onKey: () => void }) {
  const [text, setText] = useState('')
  return (
    <Dialog title={t.value.keyTitle} onClose={() => (needsKey.value = false)}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          enterKey(text.trim())
          onKey()
        }}
      >
        <p>{t.value.keyMore}</p>
        <input
          class="field"
          type="password"
          autocomplete="current-password"
          aria-label={t.value.key}
          value={text}
          onInput={({ currentTarget }) => setText(currentTarget.value)}
        />
        <div class="dialog-buttons">
          <button type="submit" class="button" disabled={text.trim() === ''}>
            {t.value.enter}
          </button>
        </div>
      </form>
    </Dialog>
  )
}
