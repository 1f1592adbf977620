/** The left column: where one can go, and the conversations. On phones it slides in. */
import { useEffect, useRef } from 'preact/hooks'
import { connection } from '../lib/api'
import { ageOf } from '../lib/format'
import { language, prefer, theme } from '../lib/preferences'
import { t } from '../lib/words'
import { currentId, loadSummaries, searchText, summaries } from '../state/conversations'
import { model } from '../state/models'
import { addressOf, type Route, route } from '../state/route'
import { closeDrawer, dialog, drawer } from './dialogs'
import { Icon, IconButton, type IconName, Mark } from './icons'

/** The pages of the app, in the order of the navigation; a new one is a line here, and one in `app.tsx`. */
export const pages: readonly { readonly page: Route['page']; readonly icon: IconName; readonly name: 'chat' | 'inside' }[] = [
  { page: 'chat', icon: 'chat', name: 'chat' },
  { page: 'inside', icon: 'eye', name: 'inside' },
]

const SEARCH_MS = 150

export function Sidebar() {
  const search = useRef<ReturnType<typeof setTimeout>>(undefined)
  const at = route.value
  const conversation = currentId.value
  useEffect(() => () => clearTimeout(search.current), [])
  return (
    <aside class={`sidebar ${drawer.value ? 'is-open' : ''}`}>
      <div class="brand">
        <a href="#/chat" class="brand-link">
          <Mark />
          <span>XComposer</span>
        </a>
        <IconButton icon="close" class="drawer-close" name={t.value.close} onClick={closeDrawer} />
      </div>
      <a href="#/chat" class="new-chat">
        <Icon name="plus" />
        {t.value.newChat}
      </a>
      <nav aria-label={t.value.sections}>
        <ul class="pages">
          {pages.map(({ page, icon, name }) => (
            <li key={page}>
              <a
                href={addressOf(page === 'chat' || conversation === undefined ? { page } : { page, conversation })}
                aria-current={at.page === page ? 'page' : undefined}
              >
                <Icon name={icon} />
                {t.value[name]}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <div class="find">
        <Icon name="search" />
        <input
          id="search"
          type="search"
          placeholder={t.value.search}
          aria-label={t.value.search}
          value={searchText.value}
          onInput={({ currentTarget }) => {
            searchText.value = currentTarget.value
            clearTimeout(search.current)
            search.current = setTimeout(() => void loadSummaries().catch(() => {}), SEARCH_MS)
          }}
        />
      </div>
      <nav class="conversations" aria-label={t.value.conversations}>
        <List />
      </nav>
      <footer class="sidebar-foot">
        <p class={`status ${connection.value}`}>
          <span class="dot" aria-hidden="true" />
          {connection.value === 'ready' ? (model.value?.id ?? '') : t.value.status[connection.value]}
        </p>
        <IconButton
          icon="globe"
          name={t.value.otherLanguage}
          onClick={() => prefer({ language: language.value === 'zh' ? 'en' : 'zh' })}
        />
        <IconButton
          icon={theme.value === 'dark' ? 'sun' : 'moon'}
          name={theme.value === 'dark' ? t.value.useLight : t.value.useDark}
          onClick={() => prefer({ theme: theme.value === 'dark' ? 'light' : 'dark' })}
        />
        <IconButton icon="sliders" name={t.value.settings} onClick={() => (dialog.value = { name: 'settings' })} />
      </footer>
    </aside>
  )
}

function List() {
  const list = summaries.value
  if (!list) return null
  if (list.length === 0)
    return <p class="no-conversations">{searchText.value ? t.value.nothingFound : t.value.noConversations}</p>
  const groups = Map.groupBy(list, ({ updated }) => ageOf(updated))
  return [...groups].map(([age, conversations]) => (
    <section key={age}>
      <h2>{t.value[age]}</h2>
      <ul>
        {conversations.map(({ id, title, excerpt }) => (
          <li key={id}>
            <a href={addressOf({ page: 'chat', conversation: id })} aria-current={currentId.value === id ? 'true' : undefined}>
              <span class="title">{title || t.value.untitled}</span>
              {excerpt && excerpt !== title && <span class="excerpt">{excerpt}</span>}
            </a>
          </li>
        ))}
      </ul>
    </section>
  ))
}
