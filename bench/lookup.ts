/**
 * `bench -- lookup`: what `--lookup` gains, greedy decoding with guesses beside greedy decoding without, interleaved. Three parts:
 *
 * - A dialogue in which the same question is asked twice: the second answer tends to quote the first, which really stands in its prompt.
 *   This is what is reported.
 * - An answer that quotes to a known degree, for any model (quotation.ts). Quoting word for word is reported of a model that does not quote
 *   in the dialogues, as random weights do not: both sides then do the same, and their ratio is noise.
 * - What a pass over several positions costs (step-cost.ts).
 *
 * Guessing must not change an answer. But where activations are rounded (quantised weights), the engine's results for several positions at
 * once differ a little from those for one, and nearly equal logits can change places. Such answers are counted in `parted` and left out of
 * the dialogues' speed.
 */
import { XComposer } from '../src/inference/xcomposer.js'
import { chatPrompt } from '../src/text/prompt.js'
import { type Benchmark, type BenchResult, MODEL_HELP, type ModelContext, modelOf, modelOption } from './benchmark.js'
import { promptIds } from './decode-inputs.js'
import { acceptance, type LookupRun, type Prompt, rateOf, sameIds, timedRun } from './lookup-runs.js'
import { factsLine, modelFacts } from './model-facts.js'
import { quotations } from './quotation.js'
import { digits, interleave, summarise } from './samples.js'
import { stepCosts } from './step-cost.js'

/** Longest answer of the dialogues. */
const NEW_TOKENS = 64
const SUBJECTS = ['lion', 'apple', 'guitar', 'cat', 'dog', 'horse', 'car', 'tree']
const STEP_ROUNDS = 31
/** A model quotes when at least this share of the guesses is right; one that offers no guesses does not. */
const QUOTES = 0.1

type Turn = { readonly user: string; readonly assistant: string }

async function dialoguePrompt(model: XComposer, user: string, history: readonly Turn[]): Promise<Prompt> {
  const options = { images: 0, imageTokens: 1, maxLength: model.contextLength - NEW_TOKENS, bos: model.config.promptBos }
  const { parts } = chatPrompt(model.tokenizer, { history, user }, options)
  return { ...(await model.prefill(parts, [])), ids: parts.flatMap((part) => (part.kind === 'text' ? part.ids : [])) }
}

/** Asks for each subject once, and gives the prompts that ask again. */
async function askedTwice(model: XComposer, stopIds: readonly number[]): Promise<Prompt[]> {
  const prompts: Prompt[] = []
  for (const subject of SUBJECTS) {
    const question = `Write an article about the ${subject}.`
    const once = await dialoguePrompt(model, question, [])
    const { ids } = await timedRun(once, undefined, { maxNewTokens: NEW_TOKENS, stopIds })
    once.sequence.dispose()
    prompts.push(await dialoguePrompt(model, question, [{ user: question, assistant: model.tokenizer.decode(ids) }]))
  }
  return prompts
}

/** Speeds of the dialogues over the answers that are the same both ways; none where fewer than half are. */
async function dialogues(model: XComposer, o: ModelContext) {
  const { tokenizer } = model
  const options = { maxNewTokens: NEW_TOKENS, stopIds: [tokenizer.eosId, tokenizer.endOfTurnId] }
  const prompts = await askedTwice(model, options.stopIds)
  const all = async (some: readonly Prompt[], lookup: boolean) => {
    const runs: LookupRun[] = []
    for (const prompt of some) runs.push(await timedRun(prompt, lookup ? prompt.ids : undefined, options))
    return runs
  }
  try {
    const [plain, ahead] = [await all(prompts, false), await all(prompts, true)]
    const same = prompts.filter((_, i) => sameIds(plain[i], ahead[i]))
    const sameRuns = ahead.filter((run, i) => sameIds(plain[i], run))
    o.print(`asked twice: ${same.length} of ${prompts.length} answers are the same with and without guessing`)
    const detail = {
      answers: prompts.length,
      parted: prompts.length - same.length,
      tokens: sameRuns.reduce((n, { ids }) => n + ids.length, 0),
      acceptance: acceptance(sameRuns),
    }
    if (2 * same.length < prompts.length) return { detail, samples: undefined }
    const speed = (lookup: boolean) => async () => rateOf(await all(same, lookup))
    return { detail, samples: await interleave(o.runs, speed(true), speed(false)) }
  } finally {
    for (const { sequence } of prompts) sequence.dispose()
  }
}

/** Reports tokens a second with guessing, and as the peer without. */
async function benchLookup(o: ModelContext): Promise<BenchResult> {
  const facts = modelFacts(o.model)
  const model = await XComposer.load(o.model, { threads: o.threads })
  try {
    o.print(`lookup: ${factsLine(facts)}`)
    const ids = promptIds(model.config.decoder.vocabularySize)
    const prompt = await model.prefill([{ kind: 'text', ids }], [])
    const passes = await stepCosts(prompt, STEP_ROUNDS).finally(() => prompt.sequence.dispose())
    for (const { positions, ms, cost } of passes) o.print(`a pass over ${positions}: ${ms} ms, ${cost} x that over one`)
    const { without, verbatim, ...quotation } = await quotations(model, o)
    const dialogue = await dialogues(model, o)
    const spoken = dialogue.samples && summarise('lookup', dialogue.samples.a, dialogue.samples.b)
    const { share, proposed } = dialogue.detail.acceptance
    if (spoken) o.print(`asked twice: ${spoken.ratio} x, ${(100 * share).toFixed(0)} % of ${proposed} guesses accepted`)
    const quoting = share >= QUOTES ? dialogue.samples : undefined
    const samples = quoting ?? { a: verbatim, b: without }
    const report = summarise('lookup', samples.a, samples.b)
    return {
      report,
      detail: {
        unit: 'tokens/s; the peer is the same model without guessing',
        reported: quoting ? 'dialogue' : 'quotation word for word',
        model: o.modelName,
        ...facts,
        dialogue: { ...dialogue.detail, speed: spoken ?? null },
        quotation: { withoutGuessing: without.map(digits), ...quotation },
        passes,
        samples: { ours: samples.a.map(digits), peer: samples.b.map(digits) },
      },
    }
  } finally {
    model.dispose()
  }
}

/** `bench -- lookup`. */
export const lookupBenchmark: Benchmark = {
  summary: 'what --lookup gains',
  options: { ...modelOption },
  help: MODEL_HELP,
  run: (args, context) => benchLookup({ ...context, ...modelOf(args) }),
}
