/** The browser that the tests and the screenshots use: one that is installed, never one that is downloaded. */
import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'

const places = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
]

/** Its path, or undefined where there is none. */
export const chromiumPath = [process.env.CHROMIUM, ...places].find((path) => path && existsSync(path))

export function openChromium(): Promise<Browser> {
  if (chromiumPath === undefined) throw new Error('no Chromium is installed; name one in CHROMIUM')
  // Chromium's own sandbox cannot be used by root, as in a container.
  const isRoot = process.getuid?.() === 0
  return chromium.launch({ executablePath: chromiumPath, args: isRoot ? ['--no-sandbox'] : [], timeout: 120_000 })
}
