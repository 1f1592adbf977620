/**
 * A dialogue on a terminal: every turn sees the ones before, images wait for the next question. Ctrl-C stops an answer, or ends
 * the dialogue with 130 when none is running. It knows no options.
 */
import { statSync } from 'node:fs'
import { createInterface, type Interface } from 'node:readline'
import { type ChatImage, type ChatMessage, type ChatOptions, chat } from '../chat/chat.js'
import { InputError } from '../common/errors.js'
import type { XComposer } from '../inference/xcomposer.js'
import { imageArgument, PICTURE, STANDARD_INPUT } from './image-argument.js'
import type { Io } from './io.js'
import { userMessage } from './messages.js'
import { pastedPath, pastedPaths } from './pasted-path.js'

const HELP = `/image FILE  adds a picture to the next question (or drop the file here)
/clear       forgets the dialogue
/quit        ends it
`

/** What a line asks for. */
export type Line =
  | { readonly kind: 'question'; readonly text: string }
  /** One or several paths as they were typed or dropped. */
  | { readonly kind: 'image'; readonly paths: string }
  | { readonly kind: 'clear' | 'quit' | 'help' | 'nothing' }
  | { readonly kind: 'unknown'; readonly word: string }

/** Reads one line of a dialogue. */
export function readLine(line: string): Line {
  const text = line.trim()
  if (text === '') return { kind: 'nothing' }
  const command = /^\/(\w+)(?:\s+(.+))?$/.exec(text)
  if (!command) return { kind: 'question', text }
  const [, word = '', rest] = command
  if (word === 'image') return rest === undefined ? { kind: 'help' } : { kind: 'image', paths: rest.trim() }
  if (word === 'clear' || word === 'quit' || word === 'help') return { kind: word }
  return { kind: 'unknown', word }
}

/** Talks until /quit, the end of the input or an interrupt; gives the exit code. */
export async function dialogue(
  model: XComposer,
  start: readonly ChatMessage[],
  images: readonly ChatImage[],
  settings: ChatOptions,
  io: Io,
): Promise<number> {
  const lines = createInterface({ input: io.input, output: io.output, terminal: true, historySize: 1000 })
  let messages = [...start]
  let waiting = [...images]
  let running: AbortController | undefined
  let interrupted = false
  const end = () => {
    interrupted = true
    running?.abort()
    lines.close()
  }
  lines.on('SIGINT', () => {
    if (running) running.abort()
    else end()
  })
  // An interrupt that does not come by the keyboard.
  io.signal.addEventListener('abort', end, { once: true })
  io.err(
    `${model.name}. ${waiting.length > 0 ? `${waiting.length} picture(s) for the first question. ` : ''}/help shows the commands.\n`,
  )

  for await (const line of prompted(lines)) {
    if (interrupted) break
    const wish = dropped(readLine(line))
    if (wish.kind === 'quit') break
    if (wish.kind === 'help') io.err(HELP)
    if (wish.kind === 'unknown') io.err(`/${wish.word} is no command here.\n${HELP}`)
    if (wish.kind === 'clear') {
      messages = [...start]
      waiting = []
    }
    if (wish.kind === 'image') waiting = [...waiting, ...(await addImages(wish.paths, io))]
    if (wish.kind !== 'question') continue

    running = new AbortController()
    try {
      const asked = [...messages, userMessage(wish.text, waiting)]
      const answer = chat(model, asked, { ...settings, overflow: 'drop-oldest-turns', signal: running.signal })
      for await (const piece of answer) io.out(piece)
      const { text } = await answer.result
      messages = [...asked, { role: 'assistant', content: text }]
      waiting = []
    } catch (error) {
      // One question that fails (a broken image, a full context) does not end the dialogue; its images are dropped.
      if (!running.signal.aborted) io.err(`xcomposer: ${error instanceof Error ? error.message : error}`)
      waiting = []
    } finally {
      running = undefined
    }
    io.out('\n')
  }
  io.signal.removeEventListener('abort', end)
  lines.close()
  return interrupted ? 130 : 0
}

/** A picture that is dropped on a terminal comes as its path, without a command. */
function dropped(line: Line): Line {
  const file = line.kind === 'question' ? pastedPath(line.text) : ''
  const picture = PICTURE.test(file) && statSync(file, { throwIfNoEntry: false })?.isFile()
  return picture ? { kind: 'image', paths: file } : line
}

async function addImages(paths: string, io: Io): Promise<ChatImage[]> {
  const found: ChatImage[] = []
  for (const path of pastedPaths(paths)) {
    try {
      if (path === STANDARD_INPUT) throw new InputError(`--image: standard input is the dialogue; name a file`)
      found.push(await imageArgument(path, io))
      io.err(`${path}: for the next question\n`)
    } catch (error) {
      io.err(`${error instanceof Error ? error.message.replace(/^--image: /, '') : error}\n`)
    }
  }
  return found
}

/** The lines as they are typed, each after a prompt, so that none is asked for while an answer is written. */
async function* prompted(lines: Interface): AsyncGenerator<string> {
  const typed: string[] = []
  let wake: (() => void) | undefined
  let closed = false
  lines.on('line', (line) => {
    typed.push(line)
    wake?.()
  })
  lines.on('close', () => {
    closed = true
    wake?.()
  })
  lines.setPrompt('> ')
  for (;;) {
    if (!closed && typed.length === 0) {
      lines.prompt()
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
    const line = typed.shift()
    if (line !== undefined) yield line
    else if (closed) return
  }
}
