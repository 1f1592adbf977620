/** What the user chose, kept by the browser: language, theme, how answers are made. */
import { computed, effect, signal } from '@preact/signals'

export type Language = 'en' | 'zh'
export type Theme = 'light' | 'dark'

export interface Sampling {
  /** 0: the likeliest word each time. */
  readonly temperature: number
  readonly topP: number
  /** 0: off. */
  readonly topK: number
  readonly repetitionPenalty: number
  readonly maxTokens: number
  /** Undefined: another each time. */
  readonly seed?: number | undefined
}

export interface Preferences {
  /** Undefined: as the browser says. */
  readonly language?: Language | undefined
  /** Undefined: as the system says. */
  readonly theme?: Theme | undefined
  /** Undefined: the server's first. */
  readonly model?: string | undefined
  readonly sampling: Sampling
  /** Goes before every conversation. */
  readonly instructions: string
}

export const DEFAULT_SAMPLING: Sampling = { temperature: 0, topP: 1, topK: 0, repetitionPenalty: 1, maxTokens: 512 }

const KEY = 'xcomposer.preferences'

function read(): Preferences {
  const defaults: Preferences = { sampling: DEFAULT_SAMPLING, instructions: '' }
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? '{}') as Partial<Preferences>
    return { ...defaults, ...kept, sampling: { ...DEFAULT_SAMPLING, ...kept.sampling } }
  } catch {
    return defaults
  }
}

export const preferences = signal<Preferences>(read())

/** Changes some of them. */
export function prefer(changes: Partial<Preferences>): void {
  preferences.value = { ...preferences.value, ...changes }
}

export const language = computed<Language>(() => preferences.value.language ?? (/^zh\b/i.test(navigator.language) ? 'zh' : 'en'))

const darkSystem = matchMedia('(prefers-color-scheme: dark)')
const systemIsDark = signal(darkSystem.matches)
darkSystem.addEventListener('change', ({ matches }) => {
  systemIsDark.value = matches
})

/** The theme that is shown. */
export const theme = computed<Theme>(() => preferences.value.theme ?? (systemIsDark.value ? 'dark' : 'light'))

effect(() => {
  const root = document.documentElement
  root.lang = language.value === 'zh' ? 'zh-Hans' : 'en'
  if (preferences.value.theme) root.dataset.theme = preferences.value.theme
  else delete root.dataset.theme
  try {
    localStorage.setItem(KEY, JSON.stringify(preferences.value))
  } catch {
    // Storage is off: the choice holds until the page is left.
  }
})
