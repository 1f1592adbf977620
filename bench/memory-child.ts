/**
 * One question about one picture in a long context, as a process of its own: node dist/bench/memory-child.js MODEL THREADS PICTURE CONTEXT.
 * Prints as one line of JSON what was resident behind each part.
 */

import { encodeMessageImages } from '../src/chat/images.js'
import { generate } from '../src/generate/generate.js'
import { XComposer } from '../src/inference/xcomposer.js'
import { questionParts } from './question.js'
import { type Resident, resident } from './resident.js'

/** Tokens of the answer. */
const NEW_TOKENS = 16

const [dir = '', threads = '1', picture = '', context = '2048'] = process.argv.slice(2)
const behind: Record<string, Resident> = {}
const model = await XComposer.load(dir, { threads: Number(threads) })
behind.load = resident()
const features = await encodeMessageImages(model, [{ file: picture }])
behind.picture = resident()
const parts = questionParts(model)
const positions = parts.reduce((n, part) => n + (part.kind === 'text' ? part.ids.length : part.tokens), 0)
const filler = Array.from({ length: Math.max(1, Number(context) - positions - NEW_TOKENS) }, (_, i) => 300 + (i % 90_000))
const { logits, sequence } = await model.prefill([...parts, { kind: 'text', ids: filler }], features, { limit: Number(context) })
behind.prompt = resident()
for await (const _ of generate(logits, sequence, { maxNewTokens: NEW_TOKENS }));
behind.answer = resident()
process.stdout.write(`${JSON.stringify({ behind, positions: sequence.length + 1 })}\n`)
sequence.dispose()
model.dispose()
