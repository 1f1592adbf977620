/** The command line as tests call it, and a small model with a tokenizer for it to answer with. */

import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect } from 'vitest'
import { fakeIo } from '../../src/cli/fake-io.js'
import { main } from '../../src/cli/main.js'
import { packageRoot } from '../../src/common/package-root.js'
import { liveHandles } from '../../src/engine/index.js'
import { png } from './png.js'
import { smallConfig, writeRandomModel } from './random-model.js'

export const tokenizerFile = join(packageRoot, 'models', 'nano', 'tokenizer.model')
/** Of the model that `commandModel` writes. */
export const commandConfig = { ...smallConfig, vocab_size: 6000, prompt_bos: 'first', max_length: 200 }

/** Runs a command; what it wrote and its exit code. */
export async function call(...argv: string[]) {
  const io = fakeIo()
  const code = await main(argv, io)
  return { code, ...io.written }
}

/** Asks a model for a short answer. */
export function chat(model: string, ...more: string[]) {
  return call('chat', '--model', model, '--threads', '1', '--max-new-tokens', '4', ...more)
}

/**
 * For the tests of one file: `good`, a model directory, and `root`, a folder with the picture a.png. Both are there from beforeAll on and
 * gone at the end, when nothing native may be left.
 */
export function commandModel(): { readonly root: string; readonly good: string } {
  const places = { root: '', good: '' }
  beforeAll(() => {
    places.root = mkdtempSync(join(tmpdir(), 'bad-input-'))
    places.good = writeRandomModel(commandConfig)
    copyFileSync(tokenizerFile, join(places.good, 'tokenizer.model'))
    writeFileSync(join(places.root, 'a.png'), png(2, 2, 8, 0, Uint8Array.of(0, 9, 9, 0, 9, 9)))
  })
  afterAll(() => {
    for (const dir of [places.root, places.good]) rmSync(dir, { recursive: true })
    expect(liveHandles().byKind).toEqual({})
  })
  return places
}
