/** `xcomposer chat`: one answer, or a dialogue on a terminal (dialogue.ts). */

import { type ChatImage, type ChatMessage, type ChatOptions, chat, checkAnswerOptions } from '../chat/chat.js'
import { InputError } from '../common/errors.js'
import { readJsonObject } from '../common/json.js'
import { checkDraft } from '../generate/speculative/draft.js'
import type { XComposer } from '../inference/xcomposer.js'
import { IMAGE_PLACEHOLDER } from '../text/texts.js'
import { type Args, type Command, onlyPositional } from './command.js'
import { dialogue } from './dialogue.js'
import { imageArgument, STANDARD_INPUT } from './image-argument.js'
import type { Io } from './io.js'
import { userMessage } from './messages.js'
import { modelDirectory, modelHelp, modelOptions } from './model-choice.js'
import { answerHelp, answerOptions, answerSettings, loadModel } from './model-options.js'

const LONGEST_INPUT = 1_000_000

export const chatCommand: Command = {
  name: 'chat',
  summary: 'ask about pictures, once or in a dialogue',
  options: {
    ...modelOptions,
    ...answerOptions,
    image: { type: 'string', short: 'i', multiple: true },
    system: { type: 'string' },
    stop: { type: 'string', multiple: true },
    draft: { type: 'string' },
    logprobs: { type: 'string' },
    'json-schema': { type: 'string' },
    json: { type: 'boolean' },
  },
  help: `Usage: xcomposer chat [options] [question]

Answers a question about pictures, or a question without any. Without a question: a dialogue on a terminal, otherwise the question
is read from standard input.

  -i, --image FILE           a picture; - reads it from standard input; may be given several times
      --system TEXT          a system text before the dialogue
      --stop TEXT            the answer ends before this text; may be given several times
      --draft DIR            a smaller model with the same tokenizer that guesses ahead; greedy only
      --logprobs N           with --json: log-probabilities of the tokens, with N alternatives each (0 to 20)
      --json-schema FILE     the answer is JSON that the JSON Schema in FILE allows
      --json                 print {text, ids, usage, timings, finishReason} instead of the text
${modelHelp}
${answerHelp}

Example:
  xcomposer chat --image cat.png "What is this?"
`,
  async run(args, io) {
    const settings = { ...answerSettings(args), ...chatSettings(args) }
    asOptions(() => checkAnswerOptions(settings))
    const named = args.texts('image')
    if (named.includes(STANDARD_INPUT) && args.positionals.length === 0)
      throw new InputError(`--image ${STANDARD_INPUT}: standard input is the picture; write the question after the options`)
    const images: ChatImage[] = []
    for (const value of named) images.push(await imageArgument(value, io))
    const system = args.text('system')
    const messages: ChatMessage[] = system === undefined ? [] : [{ role: 'system', content: system }]
    const given = args.positionals.length > 0 ? onlyPositional(args, 'chat', 'one question') : undefined
    if (given === undefined && io.inputIsTerminal && !args.flag('json')) {
      return withModels(args, io, settings, (model, draft) => dialogue(model, messages, images, { ...settings, ...draft }, io))
    }
    const text = (given ?? (await io.readInput())).trim()
    if (text === '')
      throw new InputError('question: expected a text, got an empty one; write it after the options or on standard input')
    if (text.length > LONGEST_INPUT)
      throw new InputError(`question: expected at most ${LONGEST_INPUT} characters, got ${text.length}`)

    if (images.length === 0 && text.includes(IMAGE_PLACEHOLDER))
      io.err(`the question spells ${IMAGE_PLACEHOLDER}, but there is no --image; it is read as text\n`)
    return withModels(args, io, settings, async (model, draft) => {
      const asked = [...messages, userMessage(text, images)]
      const answer = chat(model, asked, { ...settings, ...draft, signal: io.signal })
      if (args.flag('json')) {
        const { text: answered, ids, usage, timings, finishReason, logprobs } = await answer.result
        io.out(`${JSON.stringify({ text: answered, ids, usage, timings, finishReason, logprobs })}\n`)
      } else {
        for await (const piece of answer) io.out(piece)
        io.out('\n')
      }
      return 0
    })
  },
}

const MAX_SCHEMA_BYTES = 1_000_000

/** Options of chat alone. @throws InputError */
function chatSettings(args: Args): Pick<ChatOptions, 'stop' | 'logprobs' | 'format'> {
  const logprobs = args.wholeNumber('logprobs', 0, 20)
  if (logprobs !== undefined && !args.flag('json')) throw new InputError('--logprobs: they are printed with --json; add it')
  const stop = args.texts('stop')
  const file = args.text('json-schema')
  const format = file === undefined ? undefined : { type: 'json_schema' as const, schema: readJsonObject(file, MAX_SCHEMA_BYTES) }
  return { ...(stop.length > 0 ? { stop } : {}), ...(logprobs === undefined ? {} : { logprobs }), ...(format ? { format } : {}) }
}

/** Runs a check of the library, whose messages begin with the option's name there, which is that of the command line too. */
function asOptions(check: () => void): void {
  try {
    check()
  } catch (cause) {
    if (cause instanceof InputError) throw new InputError(`--${cause.message}`, { cause })
    throw cause
  }
}

/** Loads the model, and the one that guesses for it where there is one; disposes both. */
async function withModels(
  args: Args,
  io: Io,
  { beams = 1, sample, lookup }: ChatOptions,
  use: (model: XComposer, draft: Pick<ChatOptions, 'draft'>) => Promise<number>,
): Promise<number> {
  const drafts = args.text('draft') !== undefined
  if (drafts && (sample || beams > 1 || lookup)) {
    throw new InputError('--draft: only greedy decoding can guess ahead; leave out --beams, --lookup and what implies --sample')
  }
  // A large model takes a while: what is wrong with the other one should be said before.
  if (drafts) modelDirectory(args, 'draft')
  const model = await loadModel(args, io)
  try {
    if (!drafts) return await use(model, {})
    const draft = await loadModel(args, io, 'draft')
    try {
      asOptions(() => checkDraft(model, draft))
      return await use(model, { draft })
    } finally {
      await draft.dispose()
    }
  } finally {
    await model.dispose()
  }
}
