/**
 * Git LFS pointers: the three lines of text that stand in place of a large file where a repository was cloned without Git LFS. They turn
 * up as weights, tokenizers and configurations, so every reader of such files can tell them apart. It knows none of those files.
 */

const FIRST_LINE = 'version https://git-lfs.github.com/spec/'
/** A pointer holds a version, a hash and a size; the format allows no more than this. */
export const LONGEST_POINTER = 1024

/** Whether these bytes are a Git LFS pointer in place of a file. */
export function isLfsPointer(bytes: Uint8Array): boolean {
  if (bytes.length > LONGEST_POINTER || bytes.length < FIRST_LINE.length) return false
  return new TextDecoder('latin1').decode(bytes.subarray(0, FIRST_LINE.length)) === FIRST_LINE
}

/** What is said of one, after the file's name. */
export const LFS_ADVICE = 'a Git LFS pointer, not the file itself; run "git lfs pull" in its folder, or download the file again'
