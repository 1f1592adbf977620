/** `xcomposer chat`: one answer, or a dialogue on a terminal (dialogue.ts). */
import { InputError } from '../errors.js'
import { type ChatMessage, chat } from '../generate/chat.js'
import { type Command, onlyPositional } from './command.js'
import { dialogue } from './dialogue.js'
import { pictureFile, streamed, userMessage } from './messages.js'
import { answerHelp, answerOptions, answerSettings, loadModel, modelHelp, modelOptions } from './model-options.js'

const LONGEST_INPUT = 1_000_000

export const chatCommand: Command = {
  name: 'chat',
  summary: 'ask about pictures, once or in a dialogue',
  options: {
    ...modelOptions,
    ...answerOptions,
    image: { type: 'string', short: 'i', multiple: true },
    system: { type: 'string' },
    json: { type: 'boolean' },
  },
  help: `Usage: xcomposer chat [options] [question]

Answers a question about pictures, or a question without any. Without a question: a dialogue on a terminal, otherwise the question
is read from standard input.

  -i, --image FILE           a picture (png, jpeg, webp, gif); may be given several times
      --system TEXT          a system text before the dialogue
      --json                 print {text, ids, usage, timings} instead of the text
${modelHelp}
${answerHelp}

Example:
  xcomposer chat --image cat.png "What is this?"
`,
  async run(args, io) {
    const settings = answerSettings(args)
    const images = args.texts('image').map(pictureFile)
    const system = args.text('system')
    const messages: ChatMessage[] = system === undefined ? [] : [{ role: 'system', content: system }]
    const given = args.positionals.length > 0 ? onlyPositional(args, 'chat', 'one question') : undefined
    if (given === undefined && io.inputIsTerminal && !args.flag('json')) {
      const model = await loadModel(args, io)
      try {
        return await dialogue(model, messages, images, settings, io)
      } finally {
        model.dispose()
      }
    }
    const text = (given ?? (await io.readInput())).trim()
    if (text === '')
      throw new InputError('question: expected a text, got an empty one; write it after the options or on standard input')
    if (text.length > LONGEST_INPUT)
      throw new InputError(`question: expected at most ${LONGEST_INPUT} characters, got ${text.length}`)

    const model = await loadModel(args, io)
    try {
      const answer = chat(model, [...messages, userMessage(text, images)], { ...settings, signal: io.signal })
      const result = await streamed(answer, (piece) => {
        if (!args.flag('json')) io.out(piece)
      })
      const { ids, usage, timings, finishReason } = result
      io.out(args.flag('json') ? `${JSON.stringify({ text: result.text, ids, usage, timings, finishReason })}\n` : '\n')
      return 0
    } finally {
      model.dispose()
    }
  },
}
