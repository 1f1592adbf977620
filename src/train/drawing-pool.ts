/**
 * Threads that draw samples while the training computes. A thread imports the recipe's module and opens each generator once; samples are
 * numbered, so which thread draws one does not matter. It knows nothing of batches.
 */
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { XComposerError } from '../common/errors.js'
import type { DrawnSample, LabelTexts } from '../data/drawn.js'

/** A generator of a module. */
export interface GeneratorName {
  readonly module: string
  readonly generator: string
}

/** What a thread is asked: labels where there are no numbers. */
interface Request extends GeneratorName {
  readonly id: number
  readonly seed: number
  readonly numbers?: readonly number[]
}

interface Reply {
  readonly id: number
  readonly error?: string
  readonly samples?: DrawnSample[]
  readonly labels?: Partial<LabelTexts>
}

/** The program of a thread, as source text: it runs the same from compiled files and from sources. */
const program = `
const { parentPort } = require('node:worker_threads')
const opened = new Map()
const open = ({ module, generator }) => {
  const key = generator + ' ' + module
  if (!opened.has(key)) opened.set(key, import(module).then(({ generators }) => {
    if (typeof generators !== 'object' || generators === null) throw new Error('exports no "generators"')
    if (!Object.hasOwn(generators, generator))
      throw new Error('has no generator "' + generator + '", expected one of ' + Object.keys(generators).join(', '))
    return generators[generator]()
  }))
  return opened.get(key)
}
const reply = async ({ id, seed, numbers, ...name }) => {
  try {
    const generator = await open(name)
    if (!numbers) return { id, labels: generator.labels ?? {} }
    return { id, samples: numbers.map((number) => generator.draw(seed, number)) }
  } catch (error) {
    return { id, error: error instanceof Error ? error.message : String(error) }
  }
}
parentPort.on('message', async (request) => {
  parentPort.postMessage(await reply(request))
})
`

/** `dispose` once. */
export class DrawingPool {
  private readonly workers: Worker[]
  private readonly waiting = new Map<number, { resolve: (reply: Reply) => void; reject: (error: Error) => void }>()
  private last = 0

  constructor(threads: number) {
    this.workers = Array.from({ length: threads }, () => {
      const worker = new Worker(program, { eval: true })
      worker.on('message', (reply: Reply) => {
        this.waiting.get(reply.id)?.resolve(reply)
        this.waiting.delete(reply.id)
      })
      worker.on('error', (error) => {
        for (const { reject } of this.waiting.values()) reject(new XComposerError(`drawing samples: ${error.message}`))
        this.waiting.clear()
      })
      // A thread that waits for work keeps no process alive.
      worker.unref()
      return worker
    })
  }

  /** The samples of these numbers, in their order. @throws XComposerError when the generator fails */
  async draw(name: GeneratorName, seed: number, numbers: readonly number[]): Promise<DrawnSample[]> {
    const share = Math.ceil(numbers.length / this.workers.length)
    const replies = await Promise.all(
      this.workers.map((worker, i) => {
        const own = numbers.slice(i * share, (i + 1) * share)
        return own.length === 0 ? [] : this.ask(worker, { ...name, seed, numbers: own }).then(({ samples = [] }) => samples)
      }),
    )
    return replies.flat()
  }

  /** @throws XComposerError when the module or the generator cannot be opened */
  async labels(name: GeneratorName): Promise<Partial<LabelTexts>> {
    const { labels = {} } = await this.ask(this.workers[0] as Worker, { ...name, seed: 0 })
    return labels
  }

  private async ask(worker: Worker, request: Omit<Request, 'id'>): Promise<Reply> {
    const id = ++this.last
    worker.ref()
    try {
      const reply = await new Promise<Reply>((resolve, reject) => {
        this.waiting.set(id, { resolve, reject })
        worker.postMessage({ ...request, module: pathToFileURL(request.module).href, id })
      })
      if (reply.error !== undefined)
        throw new XComposerError(`${request.module}: generator "${request.generator}": ${reply.error}`)
      return reply
    } finally {
      if (this.waiting.size === 0) worker.unref()
    }
  }

  async dispose(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.terminate()))
  }
}
