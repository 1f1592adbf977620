/**
 * A dialogue on a terminal: every turn sees the ones before, images wait for the next question. Ctrl-C stops an answer, or ends
 * the dialogue when none is running. It knows no options.
 */
import { createInterface, type Interface } from 'node:readline'
import { type ChatMessage, type ChatOptions, chat } from '../chat/chat.js'
import type { XComposer } from '../inference/xcomposer.js'
import type { Io } from './io.js'
import { imageFile, userMessage } from './messages.js'

const HELP = `/image FILE  adds a picture to the next question
/clear       forgets the dialogue
/quit        ends it
`

/** What a line asks for. */
export type Line =
  | { readonly kind: 'question'; readonly text: string }
  | { readonly kind: 'image'; readonly file: string }
  | { readonly kind: 'clear' | 'quit' | 'help' | 'nothing' }
  | { readonly kind: 'unknown'; readonly word: string }

/** Reads one line of a dialogue. */
export function readLine(line: string): Line {
  const text = line.trim()
  if (text === '') return { kind: 'nothing' }
  const command = /^\/(\w+)(?:\s+(.+))?$/.exec(text)
  if (!command) return { kind: 'question', text }
  const [, word = '', rest] = command
  if (word === 'image')
    return rest === undefined ? { kind: 'help' } : { kind: 'image', file: rest.replace(/^(["'])(.*)\1$/, '$2') }
  if (word === 'clear' || word === 'quit' || word === 'help') return { kind: word }
  return { kind: 'unknown', word }
}

/** Talks until /quit, the end of the input or an interrupt; gives the exit code. */
export async function dialogue(
  model: XComposer,
  start: readonly ChatMessage[],
  images: readonly string[],
  settings: ChatOptions,
  io: Io,
): Promise<number> {
  const lines = createInterface({ input: io.input, output: io.output, terminal: true, historySize: 1000 })
  let messages = [...start]
  let waiting = [...images]
  let running: AbortController | undefined
  lines.on('SIGINT', () => {
    if (running) running.abort()
    else lines.close()
  })
  io.err(
    `${model.name}. ${waiting.length > 0 ? `${waiting.length} picture(s) for the first question. ` : ''}/help shows the commands.\n`,
  )

  for await (const line of prompted(lines)) {
    const wish = readLine(line)
    if (wish.kind === 'quit') break
    if (wish.kind === 'help') io.err(HELP)
    if (wish.kind === 'unknown') io.err(`/${wish.word} is no command here.\n${HELP}`)
    if (wish.kind === 'clear') {
      messages = [...start]
      waiting = []
    }
    if (wish.kind === 'image') waiting = [...waiting, ...addImage(wish.file, io)]
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
  lines.close()
  return 0
}

function addImage(file: string, io: Io): string[] {
  try {
    const found = imageFile(file)
    io.err(`${found}: for the next question\n`)
    return [found]
  } catch (error) {
    io.err(`${error instanceof Error ? error.message : error}\n`)
    return []
  }
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
