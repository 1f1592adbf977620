/** Numbers as a reader expects them in the language that is shown. */
import { language } from './preferences'
import { t } from './words'

export function number(value: number, digits = 0): string {
  return new Intl.NumberFormat(language.value, { maximumFractionDigits: digits }).format(value)
}

export function percent(share: number): string {
  const digits = share > 0 && share < 0.1 ? 1 : 0
  return new Intl.NumberFormat(language.value, { style: 'percent', maximumFractionDigits: digits }).format(share)
}

/** A duration: milliseconds below a second. */
export function duration(ms: number): string {
  return ms < 1000 ? t.value.milliseconds(number(Math.round(ms))) : t.value.seconds(number(ms / 1000, 1))
}

/** Which part of the list a conversation belongs to. */
export function ageOf(time: number, now = Date.now()): 'today' | 'yesterday' | 'lastWeek' | 'earlier' {
  const midnight = new Date(now).setHours(0, 0, 0, 0)
  if (time >= midnight) return 'today'
  if (time >= midnight - 24 * 3600_000) return 'yesterday'
  return time >= midnight - 7 * 24 * 3600_000 ? 'lastWeek' : 'earlier'
}
