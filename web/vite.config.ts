/** Builds the web app into dist/web. `npm run web:dev` serves it with reloading, in front of a server on port 8080. */
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const server = process.env.XCOMPOSER_SERVER ?? 'http://127.0.0.1:8080'

export default defineConfig({
  root: here('.'),
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: here('../dist/web'),
    emptyOutDir: true,
    target: ['chrome123', 'firefox120', 'safari17.5'],
    // The policy allows no inline image but data:, and each small file is a request of a few milliseconds to this machine.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 300,
  },
  server: { proxy: { '/v1': server, '/app': server, '/readyz': server, '/healthz': server } },
})
