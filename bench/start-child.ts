/**
 * One start in parts, as a process of its own: node dist/bench/start-child.js MODEL THREADS. Does what `xcomposer chat` does for one text
 * question and one token, and prints the time of each part as one line of JSON. Nothing is imported before Node's own start is over.
 */

const marks: [string, number][] = [['node', performance.now()]]
const mark = (name: string) => marks.push([name, performance.now()])

const [{ chat }, { openModel, tokenizerPath }, { XComposer }, { Tokenizer }, { resident }] = await Promise.all([
  import('../src/chat/chat.js'),
  import('../src/model/open-checkpoint.js'),
  import('../src/inference/xcomposer.js'),
  import('../src/text/tokenizer.js'),
  import('./resident.js'),
])
mark('imports')
const [dir = '', threads = '1', question = ''] = process.argv.slice(2)
const checkpoint = openModel(dir)
mark('open')
const tokenizer = Tokenizer.load(tokenizerPath(checkpoint))
mark('tokenizer')
const model = XComposer.of(checkpoint, tokenizer, { threads: Number(threads) })
await model.decoder.sessions.prepare(false)
mark('sessions')
for await (const _ of chat(model, [{ role: 'user', content: question }], { maxNewTokens: 1 })) break
mark('firstToken')
const parts = Object.fromEntries(marks.map(([name, at], i) => [`${name}Ms`, at - (marks[i - 1]?.[1] ?? 0)]))
process.stdout.write(`${JSON.stringify({ ...parts, peakBytes: resident().peak })}\n`)
model.dispose()
