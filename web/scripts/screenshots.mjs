/** `npm run screenshots`: runs take-screenshots.ts, which Vite compiles in memory. */
import { fileURLToPath } from 'node:url'
import { runnerImport } from 'vite'

const { module } = await runnerImport(fileURLToPath(new URL('take-screenshots.ts', import.meta.url)))
await module.takeScreenshots()
