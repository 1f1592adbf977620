/** The web app on the server: its pages at `/`, its own interface below `/app/`. */
import { join } from 'node:path'
import type { Hono } from 'hono'
import { packageRoot } from '../../common/package-root.js'
import type { RequestContext, ServerEnv } from '../context.js'
import { appRoutes } from './routes.js'
import { ConversationStore, defaultConversationsFile } from './store.js'
import { readWebFiles, serveWebFiles } from './web-files.js'

export { defaultConversationsFile } from './store.js'

export interface WebOptions {
  /** Where conversations are kept, `:memory:` for nowhere; default `defaultConversationsFile()`, or nowhere if that cannot be written. */
  readonly conversations?: string
  /** The built web app; default `dist/web` of the package. */
  readonly files?: string
  /** Called with one line where conversations are not kept. */
  readonly onNotice?: (line: string) => void
}

export interface MountedApp {
  /** Closes the conversations file. */
  close(): void
}

/**
 * Adds the web app to a server.
 * @param scopeOf whose conversations a request may see: a hash of its API key, or ''
 * @throws InputError when the conversations file that was named cannot be opened
 */
export function mountApp(app: Hono<ServerEnv>, scopeOf: (c: RequestContext) => string, options: WebOptions = {}): MountedApp {
  const store =
    options.conversations === undefined ? defaultStore(options.onNotice) : new ConversationStore(options.conversations)
  app.route('/app', appRoutes(store, scopeOf))
  serveWebFiles(app, readWebFiles(options.files ?? join(packageRoot, 'dist', 'web')))
  return { close: () => store.close() }
}

/** A home folder that cannot be written (a container) is no reason not to serve. */
function defaultStore(onNotice: WebOptions['onNotice']): ConversationStore {
  try {
    return new ConversationStore(defaultConversationsFile())
  } catch (error) {
    onNotice?.(`${(error as Error).message}; until then conversations are kept in memory alone`)
    return new ConversationStore(':memory:')
  }
}
