/**
 * Text files as ids for language.py: 16-bit numbers, with the id of <s> before each file.
 * Usage: node dist/bench/subject/ids.js TOKENIZER.model OUT FILE...
 */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { Tokenizer } from '../../src/text/tokenizer.js'

const [model, out, ...files] = process.argv.slice(2)
if (model === undefined || out === undefined || files.length === 0) {
  process.stderr.write('usage: ids.js TOKENIZER.model OUT FILE...\n')
  process.exit(2)
}
const tokenizer = Tokenizer.load(model)
const fd = openSync(out, 'w')
for (const file of files) writeSync(fd, Uint16Array.from([tokenizer.bosId, ...tokenizer.encode(readFileSync(file, 'utf8'))]))
closeSync(fd)
