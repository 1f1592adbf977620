import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { renderMarkdown } from './markdown.js'

describe('Markdown of a model', () => {
  it('becomes headings, lists, tables and code', () => {
    expect(renderMarkdown('# A\n- b\n\n`<c>`')).toBe('<h1>A</h1>\n<ul>\n<li>b</li>\n</ul>\n<p><code>&lt;c&gt;</code></p>\n')
    expect(renderMarkdown('|a|b|\n|-|-|\n|1|2|')).toContain('<td>2</td>')
  })

  it.each([
    '<script>alert(1)</script>',
    '<img src=x onerror=alert(1)>',
    'a <b onclick="x()">b</b>',
    '[x](javascript:alert(1))',
    '[x](JaVaScRiPt:alert(1))',
    '[x](data:text/html,<script>alert(1)</script>)',
    '![x](https://example.com/track.png)',
    '![x" onerror="alert(1)](javascript:1)',
    '[x](https://e.com/"onmouseover="alert(1))',
    '<https://e.com/"onmouseover=alert(1)>',
    '```"><script>\nx\n```',
    '- [ ] <input autofocus onfocus=alert(1)>',
  ])('holds no element but those of text: %s', (text) => {
    const tags = [...renderMarkdown(text).matchAll(/<[^>]*>/g)].map(([tag]) => tag)
    for (const tag of tags)
      expect(tag).toMatch(
        /^<\/?(p|a|ul|ol|li|pre|code|strong|em)( href="(https?|mailto):[^"<>]*" target="_blank" rel="[a-z ]*"| class="language-[^"<>]*")?>$/,
      )
  })

  it('never lets a tag of the text through', () => {
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.constantFrom(
            '<',
            '>',
            '"',
            "'",
            '(',
            ')',
            '[',
            ']',
            '!',
            '`',
            '\n',
            ' ',
            'script',
            'javascript:',
            'x',
            '&',
            '*',
          ),
        }),
        (text) => {
          expect(renderMarkdown(text)).not.toMatch(/<script|href="javascript|<img/i)
        },
      ),
    )
  })
})
