/**
 * llama.cpp, through the package node-llama-cpp, as a peer: node llama-batch.mjs FOLDER GGUF THREADS SEQUENCES. FOLDER is where the package is
 * installed (npm install --prefix FOLDER --ignore-scripts node-llama-cpp@3.22: binaries come with it). Each line "CHATS TOKENS PROMPT" on
 * standard input is answered by the seconds that so many sequences at once took for so many new tokens each behind so many of a prompt.
 */
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

const [folder = '', gguf = '', threads = '1', sequences = '1'] = process.argv.slice(2)
const entry = join(resolve(folder), 'node_modules', 'node-llama-cpp', 'dist', 'index.js')
const { getLlama } = await import(pathToFileURL(entry).href)
const llama = await getLlama({ gpu: false, build: 'never', logLevel: 'error', maxThreads: Number(threads), progressLogs: false })
const model = await llama.loadModel({ modelPath: gguf })
const context = await model.createContext({
  sequences: Number(sequences),
  contextSize: 1024,
  batchSize: 512,
  threads: Number(threads),
})
const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`)
say({
  about: `llama.cpp ${llama.llamaCppRelease?.release ?? ''} (node-llama-cpp), q4_0, as many sequences in one context`.replace(
    '  ',
    ' ',
  ),
})

async function chat(number, tokens, prompt) {
  const sequence = context.getSequence()
  const ids = Array.from({ length: prompt }, (_, i) => 300 + ((i + 37 * number) % 1000))
  let made = 0
  for await (const _ of sequence.evaluate(ids, { temperature: 0, yieldEogToken: true })) if (++made === tokens) break
  sequence.dispose()
  return made
}

for await (const line of createInterface({ input: process.stdin })) {
  const [chats = 1, tokens = 1, prompt = 1] = line.split(' ').map(Number)
  const began = performance.now()
  const made = await Promise.all(Array.from({ length: chats }, (_, i) => chat(i, tokens, prompt)))
  say({ seconds: (performance.now() - began) / 1000, tokens: made.reduce((a, b) => a + b, 0) })
}
await llama.dispose()
