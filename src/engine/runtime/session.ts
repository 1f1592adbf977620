/**
 * Sessions: a compiled graph with its weights. Weights are handed over as Values (shared between sessions, see
 * WeightPool), inputs and outputs are bound in place, and a run leaves the event loop free.
 */
import { dirname } from 'node:path'
import { XComposerError } from '../../common/errors.js'
import type { Graph } from '../graph/graph.js'
import { closed, opened } from './handles.js'
import { libraryPath, ort, out, type Pointer } from './ort.js'
import type { Value } from './value.js'

/** How a session runs. */
export interface SessionOptions {
  /** Threads inside one operation; default 0 = ONNX Runtime's choice (the number of cores). */
  readonly threads?: number
  /** Graph rewriting: 'all' (default), 'extended', 'basic', or 'none'. */
  readonly optimisation?: 'none' | 'basic' | 'extended' | 'all'
  /** Execution provider tried first ('cpu' default; 'cuda', 'webgpu', 'coreml', 'dml' where the package has them). */
  readonly provider?: 'cpu' | 'cuda' | 'webgpu' | 'coreml' | 'dml'
  /** Whether idle worker threads spin (faster, burns the core) or sleep; default true. */
  readonly spin?: boolean
  /** Whether the memory plan of each combination of sizes is kept; off where sizes change all the time. Default true. */
  readonly memoryPattern?: boolean
  /** Called with one line when the provider is not available and the CPU is used instead. */
  readonly onFallback?: (line: string) => void
  /** Writes ONNX Runtime's per-node timings to files with this prefix, for benchmarks. */
  readonly profile?: string
}

const levels = { none: 0, basic: 1, extended: 2, all: 99 } as const
const providerNames = { cuda: 'CUDA', webgpu: 'WebGPU', coreml: 'CoreML', dml: 'DML' } as const

/** The store of packed weights that several sessions over the same Values share; dispose after the sessions. */
export class WeightPool {
  private handle: Pointer

  constructor() {
    const handle = out()
    ort().call('CreatePrepackedWeightsContainer', handle)
    this.handle = handle[0]
    opened('weight pool')
  }

  get pointer(): Pointer {
    return this.handle
  }

  dispose(): void {
    if (this.handle === null) return
    ort().release('ReleasePrepackedWeightsContainer', this.handle)
    this.handle = null
    closed('weight pool')
  }
}

/** What a run reads and writes, by graph name; an output may be bound to the same Value as an input (in place). */
export interface Bindings {
  readonly inputs: Readonly<Record<string, Value>>
  readonly outputs: Readonly<Record<string, Value>>
}

/** A graph that is compiled at its first run, or by `open`; `dispose` once, after the last run has settled. */
export class Session {
  private handle: Pointer = null
  private binding: Pointer = null
  private opening: Promise<void> | undefined
  private running = false
  private disposed = false
  private bound: Bindings | undefined

  /** Names of the graph's inputs, for callers that bind more values than one graph reads. */
  readonly inputNames: readonly string[]

  /** @param weights values for all weights of the graph, by name; kept referenced for as long as native code may read them */
  constructor(
    private readonly graph: Graph,
    readonly weights: ReadonlyMap<string, Value> = new Map(),
    private readonly options: SessionOptions = {},
    private readonly pool?: WeightPool,
  ) {
    this.inputNames = graph.inputNames
  }

  /**
   * Compiles the graph and packs its weights, with the event loop left free.
   * @throws EngineError when ONNX Runtime refuses the model
   */
  open(): Promise<void> {
    if (this.disposed) throw new XComposerError('a session was used after it was disposed')
    this.opening ??= this.create()
    return this.opening
  }

  /** Whether the graph is compiled. */
  get isOpen(): boolean {
    return this.handle !== null
  }

  private async create(): Promise<void> {
    const { graph, weights, options, pool } = this
    const model = graph.encode((name) => bytesOf(weights.get(name)))
    const api = ort()
    const made = out()
    api.call('CreateSessionOptions', made)
    const settings = made[0]
    try {
      api.call('SetSessionGraphOptimizationLevel', settings, levels[options.optimisation ?? 'all'])
      if (options.threads) api.call('SetIntraOpNumThreads', settings, options.threads)
      if (options.spin === false) api.call('AddSessionConfigEntry', settings, 'session.intra_op.allow_spinning', '0')
      const folder = dirname(libraryPath())
      api.call('AddSessionConfigEntry', settings, 'session.model_external_initializers_file_folder_path', folder)
      if (options.memoryPattern === false) api.call('DisableMemPattern', settings)
      if (options.profile) api.call('EnableProfiling', settings, options.profile)
      for (const [name, value] of weights) if (graph.shared.has(name)) api.call('AddInitializer', settings, name, value.pointer)
      appendProvider(settings, options)
      const session = out()
      if (pool) {
        const call = 'CreateSessionFromArrayWithPrepackedWeightsContainer'
        await api.callAsync(call, api.env, model, model.length, settings, pool.pointer, session)
      } else {
        await api.callAsync('CreateSessionFromArray', api.env, model, model.length, settings, session)
      }
      this.handle = session[0]
      opened('session')
      const binding = out()
      api.call('CreateIoBinding', this.handle, binding)
      this.binding = binding[0]
      if (this.disposed) this.free()
    } finally {
      api.release('ReleaseSessionOptions', settings)
    }
  }

  /**
   * Runs the graph on bound memory; one run at a time per session. Outputs are complete when the promise resolves.
   * @param shrinkArena return the memory of intermediate results to the system afterwards: for large runs that do not come again at once
   */
  async run(bindings: Bindings, shrinkArena = false): Promise<void> {
    if (this.disposed) throw new XComposerError('a session was used after it was disposed')
    if (this.running) throw new XComposerError('a session was run twice at the same time: await the first run')
    this.running = true
    try {
      await this.open()
      this.bind(bindings)
      await ort().callAsync('RunWithBinding', this.handle, shrinkArena ? shrinking() : null, this.binding)
    } finally {
      this.running = false
    }
  }

  private bind(bindings: Bindings): void {
    const api = ort()
    const before = this.bound
    // Only what changed is bound again: decoding changes two or three of about sixty.
    for (const [name, value] of Object.entries(bindings.inputs)) {
      if (before?.inputs[name] !== value) api.call('BindInput', this.binding, name, value.pointer)
    }
    for (const [name, value] of Object.entries(bindings.outputs)) {
      if (before?.outputs[name] !== value) api.call('BindOutput', this.binding, name, value.pointer)
    }
    this.bound = bindings
  }

  /** Lets go of what the last run was bound to, so that large memory which is not used again can be collected. */
  unbind(): void {
    this.bound = undefined
  }

  dispose(): void {
    if (this.running) throw new XComposerError('a session was disposed during a run')
    this.disposed = true
    this.free()
  }

  private free(): void {
    if (this.handle === null) return
    const api = ort()
    api.release('ReleaseIoBinding', this.binding)
    api.release('ReleaseSession', this.handle)
    this.handle = null
    this.bound = undefined
    closed('session')
  }
}

let shrink: Pointer = null

/** Options of a run after which free memory of the arena goes back to the system; made once, for the life of the process. */
function shrinking(): Pointer {
  if (shrink !== null) return shrink
  const options = out()
  ort().call('CreateRunOptions', options)
  ort().call('AddRunConfigEntry', options[0], 'memory.enable_memory_arena_shrinkage', 'cpu:0')
  shrink = options[0]
  return shrink
}

function appendProvider(settings: Pointer, options: SessionOptions): void {
  const provider = options.provider ?? 'cpu'
  if (provider === 'cpu') return
  try {
    ort().call('SessionOptionsAppendExecutionProvider', settings, providerNames[provider], [], [], 0)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    options.onFallback?.(`${provider} is not available here (${reason}); using the CPU`)
  }
}

function bytesOf(value: Value | undefined): Uint8Array {
  if (!value) throw new XComposerError('a session was made without one of its weights')
  return new Uint8Array(value.data.buffer, value.data.byteOffset, value.data.byteLength)
}
