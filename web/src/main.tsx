/** Starts the app: reads what the server has, follows the address, and shows the frame. */
import { effect, untracked } from '@preact/signals'
import { render } from 'preact'
import { AwayError, RefusedError, watchConnection, whenBack } from './lib/api'
import './style.css'
import { currentId, loadSummaries, openConversation, writeWaiting } from './state/conversations'
import { loadModels } from './state/models'
import { route } from './state/route'
import { App } from './views/app'

async function load(): Promise<void> {
  try {
    await Promise.all([loadModels(), loadSummaries()])
    writeWaiting()
    if (currentId.peek() !== undefined) await openConversation(currentId.peek() as string)
  } catch (error) {
    // The banner or the window for the key says it; this runs again when the server is back or the key is there.
    if (!(error instanceof AwayError || error instanceof RefusedError)) throw error
  }
}

whenBack(() => void load())
watchConnection()

effect(() => {
  const { conversation } = route.value
  if (conversation === undefined && route.value.page === 'chat') currentId.value = undefined
  if (conversation !== undefined) untracked(() => void openConversation(conversation))
})

void load()
render(<App onKey={() => void load()} />, document.getElementById('app') as HTMLElement)
