/** The demo as a person runs it, on the packaged model. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { runsSlow, SLOW } from '../../tests/support/slow.js'
import { packageRoot } from '../common/package-root.js'
import { readQuestions } from '../data/questions.js'
import { liveHandles } from '../engine/index.js'
import { demo } from './demo.js'
import { fakeIo } from './fake-io.js'

it.skipIf(!runsSlow)(
  `a run says little and writes a page with a card for every question${runsSlow ? '' : ` (${SLOW})`}`,
  { timeout: 120_000 },
  async () => {
    const out = mkdtempSync(join(tmpdir(), 'demo-'))
    const io = fakeIo()
    try {
      const { length } = readQuestions(join(packageRoot, 'examples', 'questions.jsonl'))
      expect(await demo(io, out)).toBe(0)
      expect(readdirSync(out).sort()).toEqual(['article-en.html', 'article-zh.html', 'index.html'])
      const html = readFileSync(join(out, 'index.html'), 'utf8')
      const cards = html.match(/<article class="card.*?<\/article>/gs) ?? []
      expect(cards).toHaveLength(length)
      for (const card of cards) expect(card.match(/<li><span class="said">/g)).toHaveLength(3)
      const right = cards.filter((card) => card.startsWith('<article class="card right"')).length
      expect(html).toContain(`<strong>${right} right</strong>`)
      const lines = io.written.out.trimEnd().split('\n')
      expect(lines.length).toBeLessThan(length + 8)
      expect(io.written.out).toContain(`${right} of ${length} right`)
      expect(lines.at(-1)).toMatch(/done; open file:.*index\.html$/)
    } finally {
      rmSync(out, { recursive: true })
    }
    expect(liveHandles().byKind).toEqual({})
  },
)
