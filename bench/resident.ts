/** How much memory this process holds, as Linux counts it; elsewhere only the most that Node knows of. */
import { readFileSync } from 'node:fs'

/** Bytes. */
export interface Resident {
  /** Most that was resident at once; mapped weights count as far as they were touched. */
  readonly peak: number
  /** Now: memory of the process's own. */
  readonly own: number
  /** Now: pages of mapped files, which the system may take back. */
  readonly mapped: number
}

export function resident(): Resident {
  try {
    const status = readFileSync('/proc/self/status', 'utf8')
    const bytes = (field: string) => 1024 * Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0)
    return { peak: bytes('VmHWM'), own: bytes('RssAnon'), mapped: bytes('RssFile') }
  } catch {
    // Not Linux.
    return { peak: process.resourceUsage().maxRSS * 1024, own: process.memoryUsage().rss, mapped: 0 }
  }
}
