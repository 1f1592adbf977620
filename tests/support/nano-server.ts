/** A server on the packaged model for all tests of a file; behind them nothing native may be left. */
import { afterAll, beforeAll, expect } from 'vitest'
import { packagedModel } from '../../src/common/package-root.js'
import { liveHandles } from '../../src/engine/index.js'
import type { AppOptions } from '../../src/server/app.js'
import { LocalEngine } from '../../src/server/engine/local-engine.js'
import { startServer, type TestServer } from './http-server.js'

/** Call it once at the top of a test file; there is a server once a test runs. */
export function nanoServer(options: AppOptions = {}): { readonly server: TestServer; readonly engine: LocalEngine } {
  let server: TestServer
  let engine: LocalEngine
  beforeAll(async () => {
    engine = new LocalEngine({ models: [packagedModel], threads: 1 })
    server = await startServer(engine, options)
  })
  afterAll(async () => {
    await server.close()
    await engine.close()
    expect(liveHandles().total).toBe(0)
  })
  return {
    get server() {
      return server
    },
    get engine() {
      return engine
    },
  }
}
