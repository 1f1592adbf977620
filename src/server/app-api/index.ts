/** The web app on the server: its pages at `/`, its own interface below `/app/`. */
import { join } from 'node:path'
import type { Context, Hono } from 'hono'
import { packageRoot } from '../../common/package-root.js'
import { appRoutes } from './routes.js'
import { ConversationStore, defaultConversationsFile } from './store.js'
import { readWebFiles, serveWebFiles } from './web-files.js'

export { defaultConversationsFile } from './store.js'

export interface AppOptions {
  /** Where conversations are kept; default `defaultConversationsFile()`, `:memory:` keeps none. */
  readonly conversations?: string
  /** The built web app; default `dist/web` of the package. */
  readonly web?: string
  /** Whose conversations a request may see: a hash of its API key, or ''. Default: everybody's are the same. */
  readonly scopeOf?: (c: Context) => string
}

export interface MountedApp {
  /** Closes the conversations file. */
  close(): void
}

/**
 * Adds the web app to a server.
 * @throws InputError when the conversations file cannot be opened
 */
export function mountApp(app: Hono, options: AppOptions = {}): MountedApp {
  const store = new ConversationStore(options.conversations ?? defaultConversationsFile())
  app.route('/app', appRoutes(store, options.scopeOf ?? (() => '')))
  serveWebFiles(app, readWebFiles(options.web ?? join(packageRoot, 'dist', 'web')))
  return { close: () => store.close() }
}
