/** Loading the model that a command's options name, and how it is to answer (SPEC section 9). Knows no single command. */
import type { ChatOptions } from '../chat/chat.js'
import { InputError } from '../common/errors.js'
import { XComposer } from '../inference/xcomposer.js'
import { DEFAULT_TILES } from '../model/config.js'
import type { Args, Options } from './command.js'
import type { Io } from './io.js'
import { announceMemory, memoryPlan } from './memory-plan.js'
import { modelDirectory, providers } from './model-choice.js'

/**
 * Loads the model that the options name; the caller disposes it. Notices go to stderr.
 * @param batch answers that it will make together, for the memory that they need
 */
export async function loadModel(args: Args, io: Io, option: 'model' | 'draft' = 'model', batch = 1): Promise<XComposer> {
  const threads = args.wholeNumber('threads', 1, 1024)
  const provider = args.oneOf('provider', providers)
  const dir = modelDirectory(args, option)
  const model = await XComposer.load(dir, {
    ...(threads === undefined ? {} : { threads }),
    ...(provider === undefined ? {} : { provider }),
    onNotice: (line) => io.err(`${line}\n`),
    onOpened: (checkpoint) => announceMemory(dir, memoryPlan(checkpoint, batch), io),
  })
  // Loading does not look at the signal, and what comes next may wait for a person.
  if (io.signal.aborted) model.dispose()
  io.signal.throwIfAborted()
  return model
}

export const answerOptions: Options = {
  'max-new-tokens': { type: 'string' },
  sample: { type: 'boolean' },
  temperature: { type: 'string' },
  'top-p': { type: 'string' },
  'top-k': { type: 'string' },
  seed: { type: 'string' },
  'repetition-penalty': { type: 'string' },
  beams: { type: 'string' },
  lookup: { type: 'boolean' },
  'max-tiles': { type: 'string' },
  'hd-num': { type: 'string' },
}

export const answerHelp = `      --max-new-tokens N     longest answer in tokens (default 1024)
      --sample               draw the answer instead of taking the likeliest word each time
      --temperature T        0 to 10; implies --sample (default 1)
      --top-p P              0 to 1, implies --sample (default 0.8)
      --top-k K              implies --sample (default 50)
      --seed N               implies --sample; the same seed gives the same answer (default 0)
      --repetition-penalty R above 1 discourages words that stand already (default 1, with --sample 1.005)
      --beams N              beam search, 1 to 16; not together with sampling
      --lookup               guess ahead from the prompt: the same answer, sooner where it quotes; greedy only
      --max-tiles N          tiles that a 4KHD model may cut a picture into, 1 to 144 (default ${DEFAULT_TILES}); also --hd-num`

/** How to answer, from the options: greedy unless one of them asks for sampling. @throws InputError */
export function answerSettings(args: Args): ChatOptions {
  const maxNewTokens = args.wholeNumber('max-new-tokens', 1, 1_000_000) ?? 1024
  const temperature = args.number('temperature', 0, 10)
  const topP = args.number('top-p', 0, 1)
  const topK = args.wholeNumber('top-k', 1, 1_000_000)
  const seed = args.wholeNumber('seed', 0, 2 ** 32 - 1)
  const beams = args.wholeNumber('beams', 1, 16)
  const maxTiles = tilesAsked(args)
  const drawn = args.flag('sample') || [temperature, topP, topK, seed].some((value) => value !== undefined)
  const repetitionPenalty = args.number('repetition-penalty', 0.01, 100) ?? (drawn ? 1.005 : 1)
  if (topP === 0) throw new InputError('--top-p: expected a number above 0, got "0"')
  if (drawn && beams !== undefined && beams > 1) {
    throw new InputError('--beams: beam search does not sample; leave out --sample, --temperature, --top-p, --top-k and --seed')
  }
  if (args.flag('lookup') && (drawn || (beams ?? 1) > 1)) {
    throw new InputError('--lookup: only greedy decoding can look ahead; leave out --beams and what implies --sample')
  }
  // Temperature 0 is the common way to ask for the likeliest word each time.
  const greedy = !drawn || temperature === 0
  return {
    maxNewTokens,
    repetitionPenalty,
    ...(greedy ? {} : { sample: true, temperature: temperature ?? 1, topP: topP ?? 0.8, topK: topK ?? 50, seed: seed ?? 0 }),
    ...(beams === undefined ? {} : { beams }),
    ...(args.flag('lookup') ? { lookup: true } : {}),
    ...(maxTiles === undefined ? {} : { maxTiles }),
  }
}

/** `--max-tiles`, or by its name in the reference `--hd-num`. @throws InputError where they disagree */
function tilesAsked(args: Args): number | undefined {
  const [tiles, reference] = [args.wholeNumber('max-tiles', 1, 144), args.wholeNumber('hd-num', 1, 144)]
  if (tiles !== undefined && reference !== undefined && tiles !== reference)
    throw new InputError(`--hd-num: is another name of --max-tiles, got ${reference} and ${tiles}; leave one out`)
  return tiles ?? reference
}
