/**
 * Writing a file so that a reader sees the old bytes or the new ones, never half: temporary name, fsync, rename.
 * It knows nothing of what is written.
 */
import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'

/** One write call takes at most 2^31 - 1 bytes on Linux. */
const WRITE_BYTES = 1 << 30

/** Writes all of `bytes` at the file's current position; a short write continues. */
export function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.byteLength; ) at += writeSync(fd, bytes, at, Math.min(WRITE_BYTES, bytes.byteLength - at))
}

/** A file that stands under its name only once it is complete: `commit`, or `discard` and nothing has happened. */
export class AtomicFile {
  /** Where the content is written. */
  readonly fd: number
  private readonly temporary: string
  private open = true

  constructor(private readonly file: string) {
    this.temporary = `${file}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`
    this.fd = openSync(this.temporary, 'wx')
  }

  commit(): void {
    fsyncSync(this.fd)
    closeSync(this.fd)
    this.open = false
    renameSync(this.temporary, this.file)
    syncDirectory(dirname(this.file))
  }

  discard(): void {
    if (this.open) closeSync(this.fd)
    this.open = false
    rmSync(this.temporary, { force: true })
  }
}

/**
 * Creates `file` with what `fill` writes to the descriptor. When `fill` throws, nothing is left behind and an existing
 * `file` is untouched.
 */
export function writeFileAtomically(file: string, fill: (fd: number) => void): void {
  const made = new AtomicFile(file)
  try {
    fill(made.fd)
    made.commit()
  } catch (error) {
    made.discard()
    throw error
  }
}

/** A text file in UTF-8, written as writeFileAtomically does. */
export function writeTextAtomically(file: string, text: string): void {
  const bytes = new TextEncoder().encode(text)
  writeFileAtomically(file, (fd) => writeAll(fd, bytes))
}

/** The rename itself survives a power cut only once the directory is on disk; systems that cannot sync one are let be. */
function syncDirectory(dir: string): void {
  try {
    const fd = openSync(dir, 'r')
    try {
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
  } catch {
    // Windows refuses to open a directory; the file itself is complete either way.
  }
}
