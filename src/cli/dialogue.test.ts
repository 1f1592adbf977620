/** A dialogue typed into a terminal: what it takes as a picture, and how it ends. */
import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { pathToFileURL } from 'node:url'
import { expect, it } from 'vitest'
import { commandModel } from '../../tests/support/command-line.js'
import type { ChatOptions } from '../chat/chat.js'
import { XComposer } from '../inference/xcomposer.js'
import { dialogue } from './dialogue.js'
import { fakeIo } from './fake-io.js'

const places = commandModel()
const settings: ChatOptions = { maxNewTokens: 4 }

/** Types the lines, and Ctrl-C at the end where `interrupt` says so. */
async function talk(lines: readonly string[], interrupt?: 'key' | 'signal') {
  const input = new PassThrough()
  const ended = new AbortController()
  const io = { ...fakeIo(), input, signal: ended.signal }
  const model = await XComposer.load(places.good, { threads: 1 })
  try {
    const talking = dialogue(model, [], [], settings, io)
    for (const line of lines) input.write(`${line}\n`)
    if (interrupt === 'key') input.write('\u0003')
    else if (interrupt === 'signal') ended.abort()
    else input.end()
    return { code: await talking, ...io.written }
  } finally {
    model.dispose()
  }
}

it('takes a picture however its path comes from a terminal', async () => {
  const folder = join(places.root, 'My Photos')
  mkdirSync(folder)
  const file = join(folder, "it's.png")
  copyFileSync(join(places.root, 'a.png'), file)
  const escaped = file.replace(/[ ']/g, '\\$&')
  const typed = [file, escaped, `"${file}"`, `'${file.replace("'", "'\\''")}'`, pathToFileURL(file).href]
  const { code, err, out } = await talk([...typed.map((path) => `/image ${path}`), escaped, 'What is this?', '/quit'])
  expect(code).toBe(0)
  expect(err.match(/for the next question/g)).toHaveLength(typed.length + 1)
  expect(err).not.toMatch(/no file|xcomposer:/)
  expect(out.trim()).not.toBe('')
})

it('goes on after a picture that is none', async () => {
  const { code, err } = await talk([
    `/image ${places.root}`,
    '/image https://example.org/a.png',
    '/image nothing.png',
    '/image -',
  ])
  expect(code).toBe(0)
  expect(err).toMatch(/is a folder, expected a picture; name its files one by one/)
  expect(err).toMatch(/"https:\/\/example\.org\/a\.png" is an address, which is not fetched/)
  expect(err).toMatch(/no file "nothing\.png"/)
  expect(err).toMatch(/standard input is the dialogue/)
})

it.each(['key', 'signal'] as const)('ends with 130 when it is interrupted by a %s', async (way) => {
  expect((await talk([], way)).code).toBe(130)
})
