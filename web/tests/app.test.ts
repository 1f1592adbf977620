/** The app as a person uses it: in a real Chromium, with the packaged model behind the real server. Needs dist/. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { chromiumPath, openChromium } from './chromium'
import { type Gate, openGate } from './gate'
import { type RunningServer, startServer } from './running-server'

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const picture = join(import.meta.dirname, '..', '..', 'examples', 'questions', 'large', 'emojione-house.webp')

/** Also a slow machine gets there. */
const PATIENCE_MS = 90_000
const TEST_MS = 240_000

describe.skipIf(chromiumPath === undefined)('the web app in Chromium', { timeout: TEST_MS }, () => {
  let dir: string
  let gate: Gate
  let server: RunningServer
  let browser: Browser
  let context: BrowserContext
  let page: Page
  const complaints: string[] = []
  const requested = new Set<string>()

  const start = async () => {
    server = await startServer(join(dir, 'conversations.db'))
    gate.target = server.port
  }
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'web-'))
    gate = await openGate()
    await Promise.all([start(), openChromium().then((opened) => (browser = opened))])
  }, TEST_MS)
  afterAll(async () => {
    await browser?.close()
    gate?.close()
    await server?.stop()
    rmSync(dir, { recursive: true, force: true })
  }, TEST_MS)
  beforeEach(async () => {
    if (gate.target === undefined) await start()
    await open()
  }, TEST_MS)
  afterEach(async () => {
    gate.release()
    await context.close()
  }, TEST_MS)

  async function open(options: Parameters<Browser['newContext']>[0] = {}) {
    await context?.close()
    context = await browser.newContext({ locale: 'en-US', viewport: { width: 1200, height: 800 }, ...options })
    context.setDefaultTimeout(PATIENCE_MS)
    page = await context.newPage()
    page.on('request', (request) => requested.add(new URL(request.url()).origin))
    page.on('pageerror', (error) => complaints.push(error.message))
    page.on('console', (message) => {
      // That a request failed while the server was gone is what some tests are about.
      if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) complaints.push(message.text())
    })
    await page.goto(gate.url)
  }

  const answers = () => page.locator('.answer')
  /** Waits for the end of the last answer. */
  async function answered(count = 1): Promise<string> {
    await answers()
      .nth(count - 1)
      .locator('.tools')
      .waitFor()
    const text = await answers()
      .nth(count - 1)
      .locator('.prose')
      .textContent()
    return (text ?? '').trim()
  }
  async function ask(text: string) {
    await page.fill('#question', text)
    await page.keyboard.press('Enter')
  }
  const askExample = () => page.locator('.example').first().click()
  /** What axe finds, in one line each. */
  async function violations(): Promise<string[]> {
    await page.evaluate(axeSource)
    return page.evaluate(async () => {
      const { axe } = window as unknown as {
        axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> }
      }
      const found = await axe.run()
      return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(' | ')}`)
    })
  }

  it('answers about an example with one click, and says what the model saw and how fast it was', async () => {
    await askExample()
    expect(await answered()).not.toBe('')
    const numbers = await page.locator('.numbers').textContent()
    expect(numbers).toMatch(/saw 64 × 64 px \(64 tokens\)/)
    expect(numbers).toMatch(/\d m?s to first token/)
    expect(numbers).toMatch(/\d tokens\/s/)
    // After a reload it is the same, read from the server.
    const text = await page.locator('.prose').textContent()
    await page.reload()
    expect(await answered()).toBe(text?.trim())
    await page.locator('.picture img').waitFor()
  })

  it('answers about a picture that is chosen, asked again in other words, and keeps both versions', async () => {
    await page.locator('input[type=file]').first().setInputFiles(picture)
    await page.locator('.draft-images li:not(.is-sending)').waitFor()
    await ask('What is this?')
    const first = await answered()
    await page.fill('#question', '')
    await page.focus('#question')
    await page.keyboard.press('ArrowUp')
    await page.fill('.editor textarea', 'What colour is this?')
    await page.keyboard.press('Enter')
    await page.locator('.question .versions', { hasText: '2/2' }).waitFor()
    await answered()
    expect(await page.locator('.bubble').textContent()).toBe('What colour is this?')
    await page.locator('.question').getByRole('button', { name: 'Previous version' }).click()
    expect(await page.locator('.bubble').textContent()).toBe('What is this?')
    expect(await answered()).toBe(first)
    await page.reload()
    expect(await answered()).toBe(first)
    await page.locator('.question .versions', { hasText: '1/2' }).waitFor()
    // An answer has versions too.
    await page.locator('.answer').hover()
    await page.locator('.answer').getByRole('button', { name: 'Try again' }).click()
    await page.locator('.answer .versions', { hasText: '2/2' }).waitFor()
    expect(await answered()).toBe(first)
  })

  it('shows where the model looked for each token, how sure it was, and what it says without PLoRA', async () => {
    await askExample()
    const answer = await answered()
    await page.getByRole('button', { name: 'Look inside' }).click()
    await page.locator('.token').first().waitFor()
    const tokens = await page.locator('.token > span:first-child').allTextContents()
    expect(tokens.join('')).toBe(answer.replaceAll(' ', ''))
    const heat = () => page.locator('.heat canvas').evaluate((canvas: HTMLCanvasElement) => canvas.toDataURL())
    const chosen = () => page.locator('.bars .is-chosen .bar-name').textContent()
    const [all, first] = [await heat(), await chosen()]
    expect(first).toContain(tokens[0])
    // Layers by the slider, tokens by the arrows.
    await page.locator('#layer').focus()
    await page.keyboard.press('ArrowRight')
    await page.locator('output[for=layer]', { hasText: '1 of 6' }).waitFor()
    expect(await heat()).not.toBe(all)
    await page.locator('.token').first().focus()
    await page.keyboard.press('ArrowRight')
    await page.locator('.token[aria-checked=true]', { hasText: tokens[1] ?? '' }).waitFor()
    expect(await chosen()).toContain(tokens[1])
    const sides = await page.locator('.side p').allTextContents()
    expect(sides[0]).toBe(answer)
    expect(sides).toHaveLength(2)
    expect(await page.locator('.compare tbody tr').count()).toBe(tokens.length)
  })

  it('stops an answer, keeps what was written, and goes on from there', async () => {
    gate.hold(1)
    await askExample()
    await page.locator('.is-writing').waitFor()
    await page.getByRole('button', { name: 'Stop', exact: true }).click()
    await page.getByText('Stopped.').waitFor()
    const text = await answered()
    expect(text).not.toBe('')
    gate.release()
    await page.reload()
    await page.getByText('Stopped.').waitFor()
    expect(await answered()).toBe(text)
    await ask('What colour is it?')
    expect(await answered(2)).not.toBe('')
  })

  it('marks an answer that broke off when the server died, finds the server again by itself, and tries again', async () => {
    gate.hold(1)
    await askExample()
    await page.locator('.is-writing').waitFor()
    await server.kill()
    gate.cut()
    await page.getByText('This answer broke off.').waitFor()
    await page.getByText('The server is away.').waitFor()
    expect(await page.locator('.prose').textContent()).not.toBe('')
    await start()
    await page.locator('.banner').waitFor({ state: 'detached' })
    await page.locator('.ending').getByRole('button', { name: 'Try again' }).click()
    await page.locator('.answer .versions', { hasText: '2/2' }).waitFor()
    const text = await answered()
    // What could not be written while the server was gone was written since.
    await page.reload()
    expect(await answered()).toBe(text)
    await page.locator('.answer').hover()
    await page.locator('.answer').getByRole('button', { name: 'Previous version' }).click()
    await page.getByText('This answer broke off.').waitFor()
  })

  it('asks again by itself where nothing had come yet when the server died', async () => {
    gate.hold(0)
    await askExample()
    await page.getByText('Looking…').waitFor()
    await gate.holding()
    await server.kill()
    gate.cut()
    await page.getByText('The server is away.').waitFor()
    await start()
    expect(await answered()).not.toBe('')
    expect(await page.locator('.answer .versions, .ending').count()).toBe(0)
  })

  it('takes pictures that are dropped or pasted, and says what is none', async () => {
    const bytes = [...readFileSync(picture)]
    const give = (target: string, kind: 'drop' | 'paste', name: string, content: number[]) =>
      page.evaluate(
        ([selector, event, file, data]) => {
          const transfer = new DataTransfer()
          transfer.items.add(new File([new Uint8Array(data as number[])], file as string, { type: 'image/webp' }))
          const fields = { bubbles: true, cancelable: true }
          const given =
            event === 'drop'
              ? new DragEvent('drop', { ...fields, dataTransfer: transfer })
              : new ClipboardEvent('paste', { ...fields, clipboardData: transfer })
          document.querySelector(selector as string)?.dispatchEvent(given)
        },
        [target, kind, name, content] as const,
      )
    await give('#main', 'drop', 'dropped.webp', bytes)
    await page.getByAltText('dropped.webp').waitFor()
    await give('#question', 'paste', 'pasted.webp', bytes)
    await page.getByAltText('pasted.webp').waitFor()
    await page.getByRole('button', { name: 'Remove dropped.webp' }).click()
    await page.getByAltText('dropped.webp').waitFor({ state: 'detached' })
    await give('#question', 'paste', 'broken.webp', [1, 2, 3])
    await page.getByText('broken.webp could not be read as a picture.').waitFor()
    expect(await page.locator('.draft-images li').count()).toBe(1)
  })

  it('asks for the key of a server that has one, and shows its pictures with it', async () => {
    const guarded = await startServer(join(dir, 'guarded.db'), '--api-key', 'a-key-of-the-test')
    const open = gate.target
    try {
      gate.target = guarded.port
      expect((await fetch(`${gate.url}/app/conversations`)).status).toBe(401)
      await page.reload()
      await page.getByRole('textbox', { name: 'Key' }).fill('a-key-of-the-test')
      await page.getByRole('button', { name: 'Continue' }).click()
      await page.locator('.status', { hasText: 'nano' }).waitFor()
      await askExample()
      expect(await answered()).not.toBe('')
      await page.reload()
      await page.locator('.picture img').waitFor()
      expect(await answered()).not.toBe('')
    } finally {
      gate.target = open
      await guarded.stop()
    }
  })

  it('speaks English and Chinese, is light and dark, and remembers both', async () => {
    await page.getByRole('button', { name: '切换到中文' }).click()
    await page.getByRole('heading', { name: '问一张图片' }).waitFor()
    await page.getByRole('button', { name: '使用深色主题' }).click()
    await page.reload()
    await page.getByRole('heading', { name: '问一张图片' }).waitFor()
    const look = () => page.evaluate(() => [document.documentElement.lang, document.documentElement.dataset.theme])
    expect(await look()).toEqual(['zh-Hans', 'dark'])
    await open({ locale: 'zh-CN', colorScheme: 'dark' })
    await page.getByRole('heading', { name: '问一张图片' }).waitFor()
    await page.getByRole('button', { name: '使用浅色主题' }).waitFor()
  })

  it('finds conversations by their words, renames, exports and deletes them', async () => {
    await askExample()
    const text = await answered()
    await page.getByRole('button', { name: 'More' }).click()
    await page.getByRole('menuitem', { name: 'Rename' }).click()
    await page.getByRole('textbox', { name: 'Rename' }).fill('蒙古国的首都')
    await page.keyboard.press('Enter')
    await page.fill('#search', '首都')
    await page.locator('.conversations a', { hasText: '蒙古国的首都' }).waitFor()
    await page.locator('.conversations li').nth(1).waitFor({ state: 'detached' })

    const exported = async (name: string) => {
      await page.getByRole('button', { name: 'More' }).click()
      const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('menuitem', { name }).click()])
      return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) }
    }
    const html = await exported('Export as a page (HTML)')
    expect(html.name).toBe('蒙古国的首都.html')
    expect(html.bytes.toString()).toContain('data:image/webp;base64,')
    expect(html.bytes.toString()).toContain(text)
    const archive = await exported('Export as Markdown')
    expect(archive.name).toBe('蒙古国的首都.zip')
    expect(archive.bytes.subarray(0, 2).toString()).toBe('PK')

    await page.getByRole('button', { name: 'More' }).click()
    await page.getByRole('menuitem', { name: 'Delete' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
    await page.getByText('Nothing found.').waitFor()
  })

  it('shows what a model wrote as text, whatever it wrote, and draws its boxes on the picture', async () => {
    const id = 'hostile-answer'
    const bytes = [...readFileSync(picture)]
    const text =
      '<img src=x onerror="document.title=1"><script>document.title=1</script> [x](javascript:alert(1)) **bold** [0.1,0.2,0.5,0.6]'
    await page.evaluate(
      async ([conversation, file, answer]) => {
        const put = (path: string, body: unknown) =>
          fetch(`/app/conversations/${conversation}${path}`, {
            method: 'PUT',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify(body),
          })
        const stored = await fetch('/app/images', { method: 'POST', body: new Blob([new Uint8Array(file as number[])]) })
        const { id: image } = (await stored.json()) as { id: string }
        await put('', { title: '<b>title</b>' })
        await put('/messages/question-1', { parent: null, role: 'user', text: '<b>Where?</b>', images: [image] })
        await put('/messages/answer-001', { parent: 'question-1', role: 'assistant', text: answer })
        await put('', { leaf: 'answer-001' })
      },
      [id, bytes, text] as const,
    )
    await page.goto(`${gate.url}/#/chat/${id}`)
    await page.locator('.prose strong', { hasText: 'bold' }).waitFor()
    expect(await page.locator('.prose').textContent()).toContain('<script>document.title=1</script>')
    expect(await page.locator('.prose img, .prose script, .prose a').count()).toBe(0)
    expect(await page.title()).toBe('<b>title</b> · XComposer')
    await page.locator('.boxed img').waitFor()
    expect(await page.locator('.boxes .line').count()).toBe(1)
    expect(await page.locator('.boxes .line').getAttribute('width')).toBe('0.4')
  })

  it('is used with the keyboard alone', async () => {
    await page.keyboard.press('Tab')
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Skip to the conversation')
    await page.keyboard.press('?')
    await page.getByRole('dialog', { name: 'Keyboard' }).waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    await page.keyboard.press('/')
    await page.keyboard.type('Hello')
    await page.keyboard.press('Enter')
    await answered()
    await page.keyboard.press('Alt+n')
    await page.getByRole('heading', { name: 'Ask about a picture' }).waitFor()
    await page.waitForFunction(() => document.activeElement?.id === 'question')
  })

  it.each(['light', 'dark'] as const)('has no accessibility violation on any page, %s, and fits a phone', async (colorScheme) => {
    await open({ colorScheme })
    await page.locator('.status.ready').waitFor()
    expect(await violations()).toEqual([])
    await askExample()
    await answered()
    expect(await violations()).toEqual([])
    await page.getByRole('button', { name: 'More' }).click()
    await page.getByRole('menu').waitFor()
    expect(await violations()).toEqual([])
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: 'Settings' }).click()
    await page.locator('.fine-control summary').click()
    expect(await violations()).toEqual([])
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: 'Look inside' }).click()
    await page.locator('.token').first().waitFor()
    expect(await violations()).toEqual([])
    await page.goto(`${gate.url}/#/inside`)
    expect(await violations()).toEqual([])

    await open({ colorScheme, viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true })
    await page.getByRole('button', { name: 'Menu' }).click()
    await page.locator('.sidebar.is-open .conversations a').first().waitFor()
    expect(await violations()).toEqual([])
    await page.locator('.conversations a').first().click()
    await answered()
    const width = () => page.evaluate(() => document.documentElement.scrollWidth)
    expect(await width()).toBe(390)
    await page.getByRole('button', { name: 'Look inside' }).click()
    await page.locator('.token').first().waitFor()
    expect(await width()).toBe(390)
  })

  it('asked no other server for anything, and the browser had nothing to complain about', () => {
    expect([...requested].filter((origin) => origin !== gate.url && origin !== 'null')).toEqual([])
    expect(complaints).toEqual([])
  })
})
