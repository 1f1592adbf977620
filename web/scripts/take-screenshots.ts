/**
 * The screenshots of the documentation: each page in both themes, on a desk with a phone beside it, taken in Chromium from the real server
 * with the packaged model. They land in docs/images/ as WebP.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import sharp from 'sharp'
import { openChromium } from '../tests/chromium'
import { startServer } from '../tests/running-server'

const out = join(import.meta.dirname, '..', '..', 'docs', 'images')
const DESK = { width: 1280, height: 820 }
const PHONE = { width: 390, height: 820 }
const GAP = 28
const PATIENCE_MS = 120_000

const themes = ['light', 'dark'] as const
/** Behind and between the two pictures. */
const ground = { light: '#e4ded3', dark: '#0b0a0a' }

/** Each page, and how one gets there from the first screen. */
const pages: Readonly<Record<string, (page: Page) => Promise<void>>> = {
  welcome: async (page) => {
    await page.locator('.example img').last().waitFor()
  },
  chat: async (page) => {
    await page.locator('.example').first().click()
    await page.locator('.answer .tools').waitFor()
    await page.fill('#question', 'What is this for?')
    await page.keyboard.press('Enter')
    await page.locator('.answer .tools').nth(1).waitFor()
  },
  inside: async (page) => {
    await page.locator('.example').first().click()
    await page.locator('.answer').getByRole('button', { name: 'Look inside' }).click()
    await page.locator('.token, .empty').first().waitFor()
  },
  settings: async (page) => {
    const menu = page.getByRole('button', { name: 'Menu' })
    if (await menu.isVisible()) await menu.click()
    await page.getByRole('button', { name: 'Settings' }).click()
  },
}

/** @throws Error when there is no Chromium, or no dist/ */
export async function takeScreenshots(): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'screenshots-'))
  const server = await startServer(join(dir, 'conversations.db'))
  const browser = await openChromium()
  try {
    for (const [name, reach] of Object.entries(pages)) {
      for (const theme of themes) {
        const file = join(out, `web-${name}-${theme}.webp`)
        const desk = await shot(browser, server.port, theme, DESK, reach)
        const phone = await shot(browser, server.port, theme, PHONE, reach)
        if (!desk || !phone) {
          process.stdout.write(`${file} is left out: this server has nothing to show there\n`)
          continue
        }
        await sideBySide(desk, phone, ground[theme], file)
        process.stdout.write(`${file}\n`)
      }
    }
  } finally {
    await browser.close()
    await server.stop()
    rmSync(dir, { recursive: true })
  }
}

async function shot(
  browser: Browser,
  port: number,
  colorScheme: 'light' | 'dark',
  viewport: typeof DESK,
  reach: (page: Page) => Promise<void>,
): Promise<Buffer | undefined> {
  const isPhone = viewport === PHONE
  const context = await browser.newContext({ locale: 'en-US', colorScheme, viewport, isMobile: isPhone, hasTouch: isPhone })
  context.setDefaultTimeout(PATIENCE_MS)
  const page = await context.newPage()
  await page.goto(`http://127.0.0.1:${port}`)
  await page.locator('.status.ready').waitFor({ state: 'attached' })
  await reach(page)
  // Where the mouse rests, something would look pointed at.
  await page.mouse.move(viewport.width - 4, viewport.height / 2)
  await page.evaluate(async () => {
    await Promise.all([...document.images].map((image) => image.decode().catch(() => {})))
    await Promise.all(
      document
        .getAnimations()
        .filter(({ effect }) => effect?.getTiming().iterations === 1)
        .map(({ finished }) => finished),
    )
  })
  const isEmpty = (await page.locator('.empty').count()) > 0
  const bytes = isEmpty ? undefined : await page.screenshot({ caret: 'hide' })
  await context.close()
  return bytes
}

async function sideBySide(desk: Buffer, phone: Buffer, background: string, file: string): Promise<void> {
  const height = DESK.height + 2 * GAP
  await sharp({ create: { width: DESK.width + PHONE.width + 3 * GAP, height, channels: 3, background } })
    .composite([
      { input: await rounded(desk, DESK), left: GAP, top: GAP },
      { input: await rounded(phone, PHONE), left: DESK.width + 2 * GAP, top: GAP },
    ])
    .webp({ quality: 80, effort: 6 })
    .toFile(file)
}

function rounded(image: Buffer, { width, height }: typeof DESK): Promise<Buffer> {
  const mask = `<svg width="${width}" height="${height}"><rect width="${width}" height="${height}" rx="14"/></svg>`
  return sharp(image)
    .composite([{ input: Buffer.from(mask), blend: 'dest-in' }])
    .png()
    .toBuffer()
}
