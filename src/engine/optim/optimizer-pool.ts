/**
 * Threads that share the optimiser's step with the caller. Chunks are taken from one counter by whoever is free, so a
 * thread that starts late or loses its core delays nothing but the chunk it holds.
 */
import { Worker } from 'node:worker_threads'
import { XComposerError } from '../../common/errors.js'
import { closed, opened } from '../runtime/handles.js'
import { CHUNK, type OptimiserMemory, optimiserMemory, optimiserTask, tasks } from './adamw-kernel.js'
import type { FlatParameters } from './flat-parameters.js'

/** Cells of the control array. */
const cell = { generation: 0, next: 1, done: 2, task: 3, failed: 4 } as const

/** A step takes milliseconds; a thread silent for this long is dead. */
const PATIENCE_MS = 120_000

/** What a thread is given. */
interface Shared {
  readonly memory: OptimiserMemory
  /** Int32 cells. */
  readonly control: Int32Array
  /** Their names, for functions that run from their source text. */
  readonly cell: typeof cell
  readonly chunk: number
}

/** Takes chunks until none is left. Like the task, it runs from its source text in the threads: nothing from outside. */
function drain(shared: Shared, work: typeof optimiserTask): void {
  const { memory, control, cell, chunk } = shared
  const chunks = memory.sums.length
  for (;;) {
    const mine = Atomics.add(control, cell.next, 1)
    if (mine >= chunks) return
    try {
      work(Atomics.load(control, cell.task), memory, mine, mine * chunk, Math.min((mine + 1) * chunk, memory.weights.length))
    } catch {
      Atomics.store(control, cell.failed, 1)
    }
    if (Atomics.add(control, cell.done, 1) + 1 === chunks) Atomics.notify(control, cell.done)
  }
}

/** A thread's life: wait for a new generation, take chunks, until the task is -1. */
const program = `
const shared = require('node:worker_threads').workerData
const work = ${optimiserTask}
const drain = ${drain}
let seen = 0
for (;;) {
  Atomics.wait(shared.control, ${cell.generation}, seen)
  seen = Atomics.load(shared.control, ${cell.generation})
  if (Atomics.load(shared.control, ${cell.task}) < 0) break
  drain(shared, work)
}`

/** Threads over one set of flat parameters; `dispose` once. */
export class OptimizerPool {
  readonly memory: OptimiserMemory
  private readonly shared: Shared
  private workers: Worker[]

  /** @param threads worker threads beside the caller's own, which works too; 0 is allowed */
  constructor(
    readonly parameters: FlatParameters,
    threads: number,
  ) {
    this.memory = optimiserMemory(parameters)
    this.shared = {
      memory: this.memory,
      control: new Int32Array(new SharedArrayBuffer(4 * Object.keys(cell).length)),
      cell,
      chunk: CHUNK,
    }
    this.workers = Array.from({ length: threads }, () => {
      const worker = new Worker(program, { eval: true, workerData: this.shared })
      worker.on('error', () => Atomics.store(this.shared.control, cell.failed, 1))
      // A program that forgets `dispose` still ends.
      worker.unref()
      opened('worker')
      return worker
    })
  }

  /** Hands a task to the threads and returns at once; the result tells whether all its chunks are done. */
  begin(task: number): () => boolean {
    const { control } = this.shared
    Atomics.store(control, cell.task, task)
    Atomics.store(control, cell.done, 0)
    // Opened last: a thread still leaving the previous task may take a chunk of this one from here on.
    Atomics.store(control, cell.next, 0)
    Atomics.add(control, cell.generation, 1)
    Atomics.notify(control, cell.generation)
    return () => Atomics.load(control, cell.done) === this.memory.sums.length
  }

  /** Runs one task, working too, and returns when all chunks are done. @throws XComposerError when a thread failed */
  run(task: number): void {
    const { control } = this.shared
    const finished = this.begin(task)
    drain(this.shared, optimiserTask)
    while (!finished()) {
      const done = Atomics.load(control, cell.done)
      if (!finished() && Atomics.wait(control, cell.done, done, PATIENCE_MS) === 'timed-out') {
        throw new XComposerError('an optimiser thread stopped answering; run with threads: 1')
      }
    }
    if (Atomics.load(control, cell.failed)) throw new XComposerError('an optimiser thread failed; run with threads: 1')
  }

  /** Adds the gradients of a batch's parts to `gradients`. @throws XComposerError when a thread failed */
  gather(): void {
    if (this.parameters.partGradients.length > 0) this.run(tasks.gather)
  }

  dispose(): void {
    Atomics.store(this.shared.control, cell.task, -1)
    Atomics.add(this.shared.control, cell.generation, 1)
    Atomics.notify(this.shared.control, cell.generation)
    for (const _ of this.workers) closed('worker')
    this.workers = []
  }
}
