/** The log: JSON lines on standard error, one a request and one for what happens besides. Nothing of what people write is in it. */

export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>

/** Writes one line. */
export type Log = (level: 'info' | 'warn' | 'error', message: string, fields?: LogFields) => void

/** @param write receives whole lines */
export function jsonLog(write: (line: string) => void): Log {
  return (level, message, fields = {}) =>
    write(`${JSON.stringify({ time: new Date().toISOString(), level, message, ...fields })}\n`)
}
