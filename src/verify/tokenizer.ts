/**
 * Golden check of the tokenizer: `encode.json` (text to ids and both decodings), `decode.json` (id lists, broken bytes
 * included), and the stream, which must concatenate to the plain decode. Exact (SPEC 7).
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { Tokenizer } from '../text/tokenizer.js'
import type { GoldenCheck } from './check.js'

const Decoded = z.object({ ids: z.array(z.number()), decoded_skip_special: z.string(), decoded_keep_special: z.string() })
const Encoded = Decoded.extend({ text: z.string() })

export const check: GoldenCheck = {
  folder: 'tokenizer',
  *run(dir) {
    const tokenizer = Tokenizer.load(join(dir, 'tokenizer.model'))
    const encoded = z.array(Encoded).parse(JSON.parse(readFileSync(join(dir, 'encode.json'), 'utf8')))
    const decoded = z.array(Decoded).parse(JSON.parse(readFileSync(join(dir, 'decode.json'), 'utf8')))
    for (const [i, c] of encoded.entries()) {
      const ids = tokenizer.encode(c.text, { literalControls: true })
      yield difference(`encode ${i}`, [[ids, c.ids], ...decodings(tokenizer, c)])
    }
    for (const [i, c] of decoded.entries()) yield difference(`decode ${i}`, decodings(tokenizer, c))
  },
}

type Pair = readonly [got: unknown, expected: unknown]

function decodings(tokenizer: Tokenizer, c: z.infer<typeof Decoded>): Pair[] {
  const stream = tokenizer.stream()
  const streamed = c.ids.map((id) => stream.push(id)).join('') + stream.end()
  return [
    [tokenizer.decode(c.ids), c.decoded_skip_special],
    [tokenizer.decode(c.ids, { skipSpecial: false }), c.decoded_keep_special],
    [streamed, c.decoded_skip_special],
  ]
}

function difference(name: string, pairs: readonly Pair[]): { name: string; passed: boolean; detail?: string } {
  for (const [got, expected] of pairs) {
    const [a, b] = [JSON.stringify(got), JSON.stringify(expected)]
    if (a !== b) return { name, passed: false, detail: `got ${a.slice(0, 160)}, expected ${b.slice(0, 160)}` }
  }
  return { name, passed: true }
}
