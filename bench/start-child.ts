/**
 * One start in parts, as a process of its own: node dist/bench/start-child.js MODEL THREADS. Does what `xcomposer chat` does for one text
 * question and one token, and prints the time of each part as one line of JSON. Nothing is imported before Node's own start is over.
 */
import { readFileSync } from 'node:fs'

const marks: [string, number][] = [['node', performance.now()]]
const mark = (name: string) => marks.push([name, performance.now()])

const [{ chat }, { openModel, tokenizerPath }, { XComposer }, { Tokenizer }] = await Promise.all([
  import('../src/generate/chat.js'),
  import('../src/model/checkpoint-model.js'),
  import('../src/model/xcomposer.js'),
  import('../src/text/tokenizer.js'),
])
mark('imports')
const [dir = '', threads = '1', question = ''] = process.argv.slice(2)
const checkpoint = openModel(dir)
mark('open')
const tokenizer = Tokenizer.load(tokenizerPath(checkpoint))
mark('tokenizer')
const model = XComposer.of(checkpoint, tokenizer, { threads: Number(threads) })
mark('sessions')
for await (const _ of chat(model, [{ role: 'user', content: question }], { maxNewTokens: 1 })) break
mark('firstToken')
const parts = Object.fromEntries(marks.map(([name, at], i) => [`${name}Ms`, at - (marks[i - 1]?.[1] ?? 0)]))
process.stdout.write(`${JSON.stringify({ ...parts, peakBytes: peakBytes() })}\n`)
model.dispose()

/** Most memory that was resident at once; mapped weights count as far as they were touched. */
function peakBytes(): number {
  try {
    const line = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))
    if (line) return Number(line[1]) * 1024
  } catch {
    // Not Linux.
  }
  return process.resourceUsage().maxRSS * 1024
}
