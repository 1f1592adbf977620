/**
 * From piece bytes back to text (SPEC 7.3): byte pieces become UTF-8 with one U+FFFD per undecodable byte, and the English
 * clean-up removes ten kinds of space. Both work piecewise, so that a stream and a whole decode are the same code.
 * It knows nothing of vocabularies.
 */

/** The clean-up rules in the order the reference applies them: each drops the leading space, the fourth both spaces. */
const CLEAN_UP: readonly (readonly [pattern: string, replacement: string])[] = [
  [' .', '.'],
  [' ?', '?'],
  [' !', '!'],
  [' ,', ','],
  [" ' ", "'"],
  [" n't", "n't"],
  [" 'm", "'m"],
  [" 's", "'s"],
  [" 've", "'ve"],
  [" 're", "'re"],
]

/** The reference's English clean-up over a whole string. Rules run one after the other, so their order matters. */
export function cleanUp(text: string): string {
  let out = text
  for (const [pattern, replacement] of CLEAN_UP) out = out.replaceAll(pattern, replacement)
  return out
}

/**
 * The same clean-up over a stream: each rule is a stage that holds back only the longest tail that may still become its
 * pattern. Feeding stage k's output to stage k+1 gives exactly the order of whole-string replacement.
 */
export class CleanUpStream {
  private readonly held: string[] = CLEAN_UP.map(() => '')

  push(text: string): string {
    let out = text
    for (let k = 0; k < CLEAN_UP.length && out !== ''; k++) out = this.stage(k, out)
    return out
  }

  end(): string {
    let out = ''
    for (let k = 0; k < CLEAN_UP.length; k++) {
      out = this.stage(k, out) + (this.held[k] ?? '')
      this.held[k] = ''
    }
    return out
  }

  private stage(k: number, text: string): string {
    const [pattern, replacement] = CLEAN_UP[k] ?? ['', '']
    const input = (this.held[k] ?? '') + text
    const after = input.lastIndexOf(' ')
    // Every pattern starts with a space: without one nothing can match and nothing need be held.
    if (after < 0) {
      this.held[k] = ''
      return input
    }
    let out = ''
    let from = 0
    for (let at = input.indexOf(pattern); at >= 0; at = input.indexOf(pattern, from)) {
      out += input.slice(from, at) + replacement
      from = at + pattern.length
    }
    let keep = Math.min(pattern.length - 1, input.length - from)
    while (keep > 0 && !pattern.startsWith(input.slice(input.length - keep))) keep--
    this.held[k] = input.slice(input.length - keep)
    return out + input.slice(from, input.length - keep)
  }
}

/** Collects the bytes of consecutive byte pieces and releases the characters that are complete. */
export class ByteRun {
  private bytes: number[] = []

  push(byte: number): string {
    this.bytes.push(byte)
    return this.drain(false)
  }

  /** Ends the run: what is still incomplete becomes one U+FFFD per byte. */
  flush(): string {
    return this.bytes.length === 0 ? '' : this.drain(true)
  }

  private drain(final: boolean): string {
    let out = ''
    let at = 0
    while (at < this.bytes.length) {
      const { size, point } = firstCharacter(this.bytes, at)
      if (size === 0 && !final) break
      out += String.fromCodePoint(point)
      at += Math.max(size, 1)
    }
    this.bytes = this.bytes.slice(at)
    return out
  }
}

/** The character at `at`: its size and code point; size 0 when more bytes could complete it; U+FFFD of size 1 when none can. */
function firstCharacter(bytes: readonly number[], at: number): { size: number; point: number } {
  const lead = bytes[at] ?? 0
  if (lead < 0x80) return { size: 1, point: lead }
  const size = lead >= 0xc2 && lead < 0xe0 ? 2 : lead >= 0xe0 && lead < 0xf0 ? 3 : lead >= 0xf0 && lead < 0xf5 ? 4 : 1
  if (size === 1) return { size: 1, point: 0xfffd }
  let point = lead & (0x7f >> size)
  for (let i = 1; i < size; i++) {
    const byte = bytes[at + i]
    if (byte === undefined) return { size: 0, point: 0xfffd }
    // The second byte rules out overlong forms, surrogates and points above U+10FFFF.
    const low = i === 1 ? (lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80) : 0x80
    const high = i === 1 ? (lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf) : 0xbf
    if (byte < low || byte > high) return { size: 1, point: 0xfffd }
    point = (point << 6) | (byte & 0x3f)
  }
  return { size, point }
}
