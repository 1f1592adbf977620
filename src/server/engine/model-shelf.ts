/**
 * The models of a server: known from the start by their headers, loaded when a request asks for one, one load at a time. Where the next
 * would exceed the budget, the one that was not used for longest goes first; one that is in use goes when its last request has ended, and
 * takes no new ones until then, so that whoever waits for the room gets it.
 */
import { statSync } from 'node:fs'
import { totalmem } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { DisposedError, InputError } from '../../common/errors.js'
import type { LoadOptions } from '../../inference/decoder-runtime.js'
import { withContext, XComposer } from '../../inference/xcomposer.js'
import { inspect } from '../../model/inspect.js'
import { openModel } from '../../model/open-checkpoint.js'
import type { EngineModel } from '../engine.js'

/** What a server's models are, and how they run. */
export interface ModelSettings
  extends Pick<LoadOptions, 'threads' | 'provider' | 'context' | 'slots' | 'prefixCacheBytes' | 'imageCacheBytes'> {
  /** Model directories, the default one first. */
  readonly models: readonly string[]
  /** Bytes that all loaded models together may need; default four fifths of the machine's memory. */
  readonly modelMemory?: number
}

/** What the shelf tells. */
export interface ShelfEvents {
  /** A model was loaded or unloaded. */
  onChange?(): void
  onNotice?(line: string): void
}

/** A model that stays loaded until `release`, which is called once. */
export interface Lease {
  readonly model: XComposer
  release(): void
}

interface Offer {
  readonly dir: string
  /** Weights, keys and values of one sequence, activations of the vision tower. */
  readonly bytes: number
  readonly facts: Omit<EngineModel, 'loaded'>
}

interface Held {
  readonly offer: Offer
  readonly model: Promise<XComposer>
  loaded?: XComposer
  /** Requests that use it or wait for it. */
  uses: number
  usedAt: number
  onIdle?: () => void
}

const SHARE_OF_MEMORY = 0.8
const MIB = 2 ** 20

/** Loads and unloads. */
export class ModelShelf {
  private readonly offers = new Map<string, Offer>()
  private readonly held = new Map<string, Held>()
  /** Those that leave when their requests have ended. */
  private readonly leaving = new Set<Held>()
  private readonly budget: number
  private loading: Promise<unknown> = Promise.resolve()
  private uses = 0
  private closed = false

  /** Reads the headers of all models. @throws InputError for a broken one, two of one name, and one that exceeds the budget alone */
  constructor(
    private readonly settings: ModelSettings,
    private readonly events: ShelfEvents = {},
  ) {
    this.budget = settings.modelMemory ?? SHARE_OF_MEMORY * totalmem()
    if (settings.models.length === 0) throw new InputError('models: expected at least one model directory')
    for (const dir of settings.models) {
      const offer = offered(dir, settings.context)
      const { id } = offer.facts
      const other = this.offers.get(id)
      if (other) throw new InputError(`models: ${other.dir} and ${dir} are both called "${id}"; rename one directory`)
      if (offer.bytes > this.budget) {
        const [needs, allowed] = [Math.ceil(offer.bytes / MIB), Math.floor(this.budget / MIB)]
        throw new InputError(`${dir}: needs ${needs} MiB, the memory for models is ${allowed} MiB; allow more or quantize it`)
      }
      this.offers.set(id, offer)
    }
  }

  get models(): EngineModel[] {
    return [...this.offers].map(([id, { facts }]) => ({ ...facts, loaded: this.held.get(id)?.loaded !== undefined }))
  }

  /** Every model that is in memory, those that are about to leave included. */
  get loaded(): XComposer[] {
    return [...this.held.values(), ...this.leaving].flatMap(({ loaded }) => loaded ?? [])
  }

  /**
   * A model for one request, loaded where it is not.
   * @throws InputError for an unknown id and a model that cannot be loaded, DisposedError after `close`, the signal's reason
   */
  async acquire(id: string, signal: AbortSignal): Promise<Lease> {
    if (this.closed) throw new DisposedError('engine')
    signal.throwIfAborted()
    const offer = this.offers.get(id)
    if (!offer) throw new InputError(`model: got "${id}", expected one of ${[...this.offers.keys()].join(', ')}`)
    const held = this.held.get(id) ?? this.begin(offer)
    held.uses++
    held.usedAt = ++this.uses
    let open = true
    const release = (): void => {
      if (!open) return
      open = false
      if (--held.uses === 0) held.onIdle?.()
    }
    try {
      return { model: await untilAborted(held.model, signal), release }
    } catch (error) {
      release()
      throw error
    }
  }

  /** Unloads all, when loading has ended; requests that still run fail with a DisposedError. */
  async close(): Promise<void> {
    this.closed = true
    await this.loading
    await Promise.all(this.loaded.map((model) => model.dispose()))
  }

  private begin(offer: Offer): Held {
    const model = this.loading.then(() => this.load(offer))
    const held: Held = { offer, model, uses: 0, usedAt: 0 }
    this.held.set(offer.facts.id, held)
    this.loading = model.then(
      (loaded) => {
        held.loaded = loaded
        this.events.onChange?.()
      },
      () => void this.held.delete(offer.facts.id),
    )
    return held
  }

  private async load(offer: Offer): Promise<XComposer> {
    await this.makeRoom(offer.bytes)
    if (this.closed) throw new DisposedError('engine')
    const { models, modelMemory, ...options } = this.settings
    const model = await XComposer.load(offer.dir, {
      ...options,
      onNotice: (line) => this.events.onNotice?.(line),
    })
    try {
      await model.prepare()
    } catch (error) {
      await model.dispose()
      throw error
    }
    return model
  }

  private async makeRoom(bytes: number): Promise<void> {
    for (;;) {
      const loaded = [...this.held.values()].filter((held) => held.loaded)
      const used = loaded.reduce((sum, { offer }) => sum + offer.bytes, 0)
      const idle = loaded.filter(({ uses }) => uses === 0)
      const [oldest] = (idle.length > 0 ? idle : loaded).sort((a, b) => a.usedAt - b.usedAt)
      if (used + bytes <= this.budget || !oldest || this.closed) return
      await this.unload(oldest)
    }
  }

  private async unload(held: Held): Promise<void> {
    this.held.delete(held.offer.facts.id)
    this.leaving.add(held)
    this.events.onChange?.()
    if (held.uses > 0) {
      await new Promise<void>((resolve) => {
        held.onIdle = resolve
      })
    }
    await held.loaded?.dispose()
    this.leaving.delete(held)
  }
}

/** What the headers of a model directory say. */
function offered(dir: string, context: number | undefined): Offer {
  const { config, directory } = withContext(openModel(dir), context)
  const { memory } = inspect(config)
  return {
    dir,
    bytes: memory.weights + memory.kvFull + memory.visionActivations,
    facts: {
      id: basename(resolve(dir)),
      created: Math.floor(statSync(join(directory.dir, 'config.json')).mtimeMs / 1000),
      vision: config.vision !== undefined,
      tiled: config.vision?.tiled ?? false,
      contextLength: config.maxLength,
      hiddenSize: config.decoder.hiddenSize,
    },
  }
}

/** `work`, or the signal's reason if that comes first; the work then goes on for others. */
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop = (): void => {}
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason)
    signal.addEventListener('abort', stop)
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
