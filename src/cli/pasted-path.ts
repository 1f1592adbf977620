/**
 * Paths as they come from a terminal's drag and drop, a file manager or a shell's history: quoted, with backslashes before spaces, with
 * `~`, or as a file:// address. What is a path as it stands is left alone.
 */
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** How a system writes paths; a parameter for tests. */
interface System {
  readonly exists: (path: string) => boolean
  readonly home: string
  /** Where a backslash separates folders it escapes nothing. */
  readonly windows: boolean
}

const thisSystem: System = { exists: existsSync, home: homedir(), windows: process.platform === 'win32' }

/** One path. */
export function pastedPath(text: string, system = thisSystem): string {
  if (system.exists(text)) return text
  return plain(words(text, system.windows).join(' '), system)
}

/** One or several paths, as when several files are dropped at once: several only where each of them exists. */
export function pastedPaths(text: string, system = thisSystem): string[] {
  if (system.exists(text)) return [text]
  const paths = words(text, system.windows).map((word) => plain(word, system))
  return paths.length > 1 && paths.every(system.exists) ? paths : [pastedPath(text, system)]
}

function plain(path: string, { home }: System): string {
  if (path === '~' || path.startsWith('~/')) return join(home, path.slice(1))
  if (!/^file:\/\//i.test(path)) return path
  try {
    return fileURLToPath(path)
  } catch {
    // No address of a file of this machine; the caller says that there is no such file.
    return path
  }
}

/** Splits at spaces outside of quotes and takes quotes and escapes away, as a shell does. */
function words(text: string, windows: boolean): string[] {
  const found: string[] = []
  let word: string | undefined
  let quote = ''
  for (let i = 0; i < text.length; i++) {
    const c = text[i] as string
    if (c === quote) quote = ''
    else if (quote === '' && (c === "'" || c === '"')) {
      quote = c
      word ??= ''
    } else if (c === '\\' && !windows && quote !== "'" && i + 1 < text.length) word = (word ?? '') + text[++i]
    else if (quote === '' && c === ' ') {
      if (word !== undefined) found.push(word)
      word = undefined
    } else word = (word ?? '') + c
  }
  // An apostrophe that nothing closes is a letter of a name.
  if (quote !== '') return [text]
  return word === undefined ? found : [...found, word]
}
