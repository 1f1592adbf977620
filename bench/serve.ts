/**
 * `bench -- serve`: what the server gives to many at once. Against it stands, interleaved, one chat at a time on the same server, which is
 * what there is without batching; and with --llama llama.cpp, on a q4_0 of the same shape, answering as many at once. Beside
 * that: how even the tokens come while images are prefilled, what a follow-up waits for its first token with and without the caches,
 * and how many requests a second are left of what the bare framework can.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openModel, tokenizerPath } from '../src/model/open-checkpoint.js'
import { Tokenizer } from '../src/text/tokenizer.js'
import { type Benchmark, type BenchResult, MODEL_HELP, type ModelContext, modelOf, modelOption } from './benchmark.js'
import { writePicture } from './decode-inputs.js'
import { LlamaBatch } from './llama-batch.js'
import { factsLine, modelFacts } from './model-facts.js'
import { digits, median, percentile, spread, summarise } from './samples.js'
import { type ChatBody, clearCaches, streamChat, wholeChat } from './serve-client.js'
import { ServerProcess } from './server-process.js'

/** What it is told. */
interface Told extends ModelContext {
  /** Chats at once. */
  readonly chats: number
  /** Tokens of each answer. */
  readonly tokens: number
  /** A folder in which node-llama-cpp is installed. */
  readonly llama: string | undefined
}

/** Answers of one token, for requests a second. */
const TRIVIAL = 200

async function benchServe(o: Told): Promise<BenchResult> {
  const facts = modelFacts(o.model)
  o.print(`serve: ${factsLine(facts)}`)
  const folder = mkdtempSync(join(tmpdir(), 'xcomposer-bench-'))
  const llama = o.llama === undefined ? undefined : await LlamaBatch.start(o.llama, o.model, o.threads, o.chats)
  const server = await ServerProcess.serve(o.model, o.threads, o.chats + 1)
  try {
    const client = new Client(server.url, o, folder)
    await client.warm()
    const [one, many, peer]: [number[], number[], number[]] = [[], [], []]
    for (let run = 0; run < o.runs; run++) {
      one.push(await client.rate(1))
      many.push(await client.rate(o.chats))
      if (llama) peer.push(await llama.rate(o.chats, o.tokens))
      const beside = llama ? `, llama.cpp ${peer.at(-1)?.toFixed(1)}` : ''
      o.print(`1 chat ${one.at(-1)?.toFixed(1)}, ${o.chats} chats ${many.at(-1)?.toFixed(1)} tokens/s${beside}`)
    }
    const images = facts.imageTokens === null ? {} : await imageFigures(client, o)
    return {
      report: summarise('serve', many, llama ? peer : one),
      detail: {
        unit: 'tokens/s of all chats together, their prompts included',
        model: o.modelName,
        ...facts,
        chats: o.chats,
        tokens: o.tokens,
        peerDetail: {
          about: llama ? llama.about : 'the same server with one chat at a time',
          ...(llama && { tokens: o.tokens }),
        },
        oneChat: { tokensPerSecond: digits(median(one)), spread: digits(spread(one)) },
        timesOneChat: digits(median(many) / median(one)),
        ...images,
        trivialRequests: await trivialFigures(client),
        samples: { ours: many.map(digits), one: one.map(digits), peer: peer.map(digits) },
      },
    }
  } finally {
    await Promise.all([server.end(), llama?.end()])
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Times between tokens with and without images beside them, and first tokens of follow-ups. */
async function imageFigures(client: Client, o: Told) {
  const [alone, beside, cold, warm]: [number[], number[], number[], number[]] = [[], [], [], []]
  for (let run = 0; run < o.runs; run++) {
    alone.push(...(await client.gaps(false)))
    beside.push(...(await client.gaps(true)))
    cold.push(await client.followUp(false))
    warm.push(await client.followUp(true))
  }
  o.print(`between tokens p99 ${percentile(alone, 0.99).toFixed(1)} ms, with images ${percentile(beside, 0.99).toFixed(1)} ms`)
  o.print(`first token of a follow-up ${median(cold).toFixed(1)} ms, with the caches ${median(warm).toFixed(1)} ms`)
  const figures = (gaps: readonly number[]) => ({
    p50Ms: digits(percentile(gaps, 0.5)),
    p99Ms: digits(percentile(gaps, 0.99)),
    longestMs: digits(Math.max(...gaps)),
  })
  return {
    betweenTokens: { alone: figures(alone), whileImagesArePrefilled: figures(beside) },
    followUpFirstTokenMs: {
      withoutCache: digits(median(cold)),
      withCache: digits(median(warm)),
      times: digits(median(cold) / median(warm)),
    },
  }
}

/** Requests a second of answers of one token, against the framework alone. */
async function trivialFigures(client: Client) {
  const bare = await ServerProcess.start(fileURLToPath(new URL('serve-bare.js', import.meta.url)))
  try {
    const ours = await client.requestRate(client.url)
    const framework = await client.requestRate(bare.url)
    return { perSecond: digits(ours), bareHonoPerSecond: digits(framework) }
  } finally {
    await bare.end()
  }
}

/** Asks one server. */
class Client {
  private readonly endless: Readonly<Record<number, number>>
  private asked = 0

  constructor(
    readonly url: string,
    private readonly o: Told,
    private readonly folder: string,
  ) {
    const tokenizer = Tokenizer.load(tokenizerPath(openModel(o.model)))
    // Every answer has its full length.
    this.endless = { [tokenizer.eosId]: -100, [tokenizer.endOfTurnId]: -100 }
  }

  /** Every kind of pass once. */
  async warm(): Promise<void> {
    await this.rate(1, 4)
    await this.rate(this.o.chats, 4)
    if (modelFacts(this.o.model).imageTokens !== null) await wholeChat(this.url, await this.imageChat(1))
  }

  /** Tokens a second of so many chats at once, each about something else. */
  async rate(chats: number, tokens = this.o.tokens): Promise<number> {
    const began = performance.now()
    const answers = await Promise.all(Array.from({ length: chats }, () => streamChat(this.url, this.textChat(tokens))))
    return (answers.reduce((n, answer) => n + answer.tokens, 0) * 1000) / (performance.now() - began)
  }

  /** Times between the tokens of one answer, in ms; with one image after the other beside it. */
  async gaps(images: boolean): Promise<number[]> {
    let over = false
    let begin = (): void => {}
    const begun = new Promise<void>((resolve) => {
      begin = resolve
    })
    const beside = async (): Promise<void> => {
      await begun
      while (images && !over) await wholeChat(this.url, await this.imageChat(1))
    }
    const others = beside()
    const { at } = await streamChat(this.url, this.textChat(4 * this.o.tokens), begin)
    over = true
    await others
    return at.slice(1).map((ms, i) => ms - (at[i] as number))
  }

  /** Milliseconds to the first token of a second question about the same image. */
  async followUp(cached: boolean): Promise<number> {
    const first = await this.imageChat(8)
    const { text } = await streamChat(this.url, first)
    if (!cached) await clearCaches(this.url)
    const messages = [
      ...first.messages,
      { role: 'assistant' as const, content: text },
      { role: 'user' as const, content: 'What else do you see in it?' },
    ]
    const { at } = await streamChat(this.url, { ...first, messages, max_tokens: 4 })
    return at[0] ?? Number.NaN
  }

  /** Answers of one token, eight at a time. */
  async requestRate(url: string): Promise<number> {
    const body: ChatBody = { messages: [{ role: 'user', content: 'Hello' }], max_tokens: 1 }
    const some = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i++) await wholeChat(url, body)
    }
    await some(8)
    const began = performance.now()
    await Promise.all(Array.from({ length: 8 }, () => some(TRIVIAL / 8)))
    return (TRIVIAL * 1000) / (performance.now() - began)
  }

  private textChat(tokens: number): ChatBody {
    const content = `Write a story about house number ${++this.asked} and those who live there.`
    return { messages: [{ role: 'user', content }], max_tokens: tokens, logit_bias: this.endless }
  }

  /** A question about an image that nobody has seen. */
  private async imageChat(tokens: number): Promise<ChatBody> {
    const file = await writePicture(this.folder, ++this.asked)
    const url = `data:image/png;base64,${readFileSync(file).toString('base64')}`
    const content = [
      { type: 'image_url', image_url: { url } },
      { type: 'text', text: 'What is in the picture?' },
    ]
    return { messages: [{ role: 'user', content }], max_tokens: tokens, logit_bias: this.endless }
  }
}

/** `bench -- serve`. */
export const serveBenchmark: Benchmark = {
  summary: 'many chats at once on the server, against one at a time or llama.cpp',
  options: { ...modelOption, chats: { type: 'string' }, tokens: { type: 'string' }, 'node-llama-cpp': { type: 'string' } },
  help: `${MODEL_HELP}
      --chats N          chats at once (default 8)
      --tokens N         tokens of each answer (default 64)
      --node-llama-cpp DIR  a folder with this package installed, whose llama.cpp answers as many at once`,
  programs: ['node-llama-cpp'],
  run: (args, context) =>
    benchServe({
      ...context,
      ...modelOf(args),
      chats: args.wholeNumber('chats', 1, 64) ?? 8,
      tokens: args.wholeNumber('tokens', 2, 100_000) ?? 64,
      llama: args.text('node-llama-cpp'),
    }),
}
