/**
 * How the official evaluation scripts read a reply (SPEC section 12), quirks included, so that published scores can be repeated. Our own
 * scorers, which read as a person would, stand apart in scorers.ts and choice-letter.ts.
 */

/** The first capital letter within `letters`, of words too ("River" has none of A-D, "Dog" has D); 'E' where there is none. */
export function referenceChoice(reply: string, letters: 'A-D' | 'A-Z' = 'A-D'): string {
  return new RegExp(`[${letters}]`).exec(reply)?.[0] ?? 'E'
}

/** POPE's script: exactly `no` is no; everything else, "No" included, is yes. */
export function referenceYesNo(reply: string): 'yes' | 'no' {
  return reply === 'no' ? 'no' : 'yes'
}

/**
 * Relaxed accuracy: numbers within 5 %, otherwise the same text whatever its case. The official script passes its two arguments in the other
 * order than they are named, so the 5 % are of the reply, and a reply of 0 is compared as text; published scores rest on that.
 */
export function relaxed(reply: string, answer: string): boolean {
  const [got, want] = [toNumber(reply.trim()), toNumber(answer)]
  if (got && want !== undefined) return Math.abs(got - want) / Math.abs(got) <= 0.05
  return reply.trim().toLowerCase() === answer.toLowerCase()
}

/** A number written alone, `%` meaning hundredths. */
function toNumber(text: string): number | undefined {
  const percent = text.endsWith('%')
  const digits = (percent ? text.replace(/%+$/, '') : text).trim()
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(digits)) return undefined
  return Number(digits) / (percent ? 100 : 1)
}
