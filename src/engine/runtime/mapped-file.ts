/**
 * Read-only memory mapping of a file through the C library: a checkpoint's tensors are used where they lie, one copy for
 * every process and session. Where there is no mmap (Windows) callers read the file instead.
 */
import { closeSync, fstatSync, openSync } from 'node:fs'
import koffi from 'koffi'
import { XComposerError } from '../../common/errors.js'
import { closed, opened } from './handles.js'

interface Libc {
  mmap(address: null, length: number, protection: number, flags: number, fd: number, offset: number): bigint
  munmap(address: bigint, length: number): number
  madvise(address: bigint, length: number, advice: number): number
  /** Kept referenced: a collected library would be unloaded. */
  library: unknown
}

let libc: Libc | undefined

function load(): Libc {
  const library = koffi.load(process.platform === 'darwin' ? 'libSystem.B.dylib' : 'libc.so.6')
  return {
    mmap: library.func('intptr_t mmap(void *, size_t, int, int, int, int64_t)') as Libc['mmap'],
    munmap: library.func('int munmap(intptr_t, size_t)') as Libc['munmap'],
    madvise: library.func('int madvise(intptr_t, size_t, int)') as Libc['madvise'],
    library,
  }
}

/** Whether this platform can map files. */
export function canMapFiles(): boolean {
  return process.platform === 'linux' || process.platform === 'darwin'
}

/** A mapped file; nothing made from its parts may be used after `dispose`. */
export class MappedFile {
  private readonly size: number
  private address: bigint | undefined

  constructor(readonly path: string) {
    libc ??= load()
    const fd = openSync(path, 'r')
    try {
      const { size } = fstatSync(fd)
      const [readOnly, shared] = [1, 1]
      const address = BigInt(libc.mmap(null, size, readOnly, shared, fd, 0))
      if (address === -1n) throw new XComposerError(`${path}: cannot be mapped into memory (${size} bytes)`)
      this.address = address
      this.size = size
      opened('mapping')
    } finally {
      closeSync(fd)
    }
  }

  /** A part of the file where it lies. Not the whole: an ArrayBuffer ends at 4 GiB, a file does not. */
  part(offset: number, length: number): ArrayBuffer {
    if (this.address === undefined || offset < 0 || length < 0 || offset + length > this.size) {
      throw new XComposerError(`${this.path}: bytes ${offset} to ${offset + length} of ${this.size} are not mapped`)
    }
    return koffi.view(this.address + BigInt(offset), length)
  }

  /** Gives back the memory of pages that were read; they come from the file again when they are needed again. */
  release(): void {
    const dontNeed = 4
    if (this.address !== undefined) libc?.madvise(this.address, this.size, dontNeed)
  }

  dispose(): void {
    if (this.address === undefined) return
    libc?.munmap(this.address, this.size)
    this.address = undefined
    closed('mapping')
  }
}
