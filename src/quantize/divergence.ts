/** What quantising costs in words: perplexity of both models on a text, and how far their predictions lie apart. */
import { InputError } from '../common/errors.js'
import { argmax, logSoftmax } from '../generate/processors.js'
import { DecoderRuntime } from '../inference/decoder-runtime.js'
import { openModel, tokenizerPath } from '../model/open-checkpoint.js'
import { Tokenizer } from '../text/tokenizer.js'

/** Figures over all predicted tokens of a text. */
export interface Divergence {
  readonly tokens: number
  /** exp of the mean negative log-probability of the text's tokens. */
  readonly perplexity: { readonly reference: number; readonly other: number }
  /** Mean Kullback-Leibler divergence of the other model's predictions from the reference's, in nats. */
  readonly kl: number
  /** Share of positions where both think the same token likeliest. */
  readonly agreement: number
}

/** Positions predicted in one pass. */
const WINDOW = 256

/**
 * Compares two models of one tokenizer on a text, in windows of 256 tokens that do not see each other.
 * @throws InputError for a text of fewer than two tokens, or models of different vocabularies
 */
export async function divergence(referenceDir: string, otherDir: string, text: string): Promise<Divergence> {
  const checkpoint = openModel(referenceDir)
  const tokenizer = Tokenizer.load(tokenizerPath(checkpoint))
  const ids = tokenizer.encode(text)
  if (ids.length < 2) throw new InputError(`the text has ${ids.length} tokens, expected at least 2 to predict one from another`)
  const reference = new DecoderRuntime(checkpoint)
  const other = new DecoderRuntime(openModel(otherDir))
  try {
    const width = reference.config.decoder.vocabularySize
    if (other.config.decoder.vocabularySize !== width)
      throw new InputError(`${otherDir}: another vocabulary than ${referenceDir}`)
    const sums = { tokens: 0, reference: 0, other: 0, kl: 0, agree: 0 }
    for (let start = 0; start + 1 < ids.length; start += WINDOW) {
      const window = [tokenizer.bosId, ...ids.slice(start, start + WINDOW)]
      const [a, b] = [await predictions(reference, window), await predictions(other, window)]
      for (let i = 0; i + 1 < window.length; i++) {
        addPosition(sums, a[i] as Float64Array, b[i] as Float64Array, window[i + 1] as number)
      }
    }
    const mean = (sum: number): number => sum / sums.tokens
    return {
      tokens: sums.tokens,
      perplexity: { reference: Math.exp(mean(sums.reference)), other: Math.exp(mean(sums.other)) },
      kl: mean(sums.kl),
      agreement: mean(sums.agree),
    }
  } finally {
    reference.dispose()
    other.dispose()
  }
}

/** Log-probabilities of what follows each id. */
async function predictions(model: DecoderRuntime, ids: readonly number[]): Promise<Float64Array[]> {
  const sequence = model.sequence()
  try {
    return (await sequence.appendAll(ids)).map(logSoftmax)
  } finally {
    sequence.dispose()
  }
}

function addPosition(
  sums: { tokens: number; reference: number; other: number; kl: number; agree: number },
  p: Float64Array,
  q: Float64Array,
  next: number,
): void {
  sums.tokens++
  sums.reference -= p[next] as number
  sums.other -= q[next] as number
  for (let i = 0; i < p.length; i++) sums.kl += Math.exp(p[i] as number) * ((p[i] as number) - (q[i] as number))
  if (argmax(p) === argmax(q)) sums.agree++
}
