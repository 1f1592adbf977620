/**
 * Bodies of requests: counted while they come, whatever Content-Length says; JSON whose nesting was measured before it is parsed; and what
 * a schema says of it.
 */
import type { z } from 'zod'
import { firstIssue } from '../common/schema-issue.js'
import { ApiError } from './errors.js'

/** Levels of `[` and `{`. No request that is meant needs as many. */
export const MAX_JSON_DEPTH = 100

/** Bytes of all bodies that are being read or used, so that many large ones cannot fill the memory. */
export class BodyBudget {
  private used = 0

  constructor(
    /** Of one body. */
    readonly maxBytes: number,
    /** Of all bodies together. */
    readonly maxTotalBytes: number,
  ) {}

  /**
   * Reads a body to its end.
   * @returns the bytes and a function that gives their room back
   * @throws ApiError 413 for a body beyond the limit, 429 where all bodies together are
   */
  async read(request: Request): Promise<{ readonly bytes: Buffer; release(): void }> {
    const declared = Number(request.headers.get('content-length') ?? 0)
    if (declared > this.maxBytes) throw this.tooLarge()
    const chunks: Uint8Array[] = []
    let size = 0
    const release = () => {
      this.used -= size
      size = 0
    }
    try {
      if (request.body) {
        for await (const chunk of request.body) {
          size += chunk.byteLength
          this.used += chunk.byteLength
          if (size > this.maxBytes) throw this.tooLarge()
          if (this.used > this.maxTotalBytes)
            throw new ApiError(429, 'the server reads too many large requests; try again later', {
              type: 'requests',
              code: 'rate_limit_exceeded',
              retryAfter: 1,
            })
          chunks.push(chunk)
        }
      }
      return { bytes: Buffer.concat(chunks), release }
    } catch (error) {
      release()
      if (error instanceof ApiError) throw error
      throw new ApiError(400, 'the body of the request ended before it was complete', { cause: error })
    }
  }

  private tooLarge(): ApiError {
    return new ApiError(413, `the body is too large: at most ${this.maxBytes} bytes are taken; send fewer or smaller images`, {
      code: 'request_too_large',
    })
  }
}

/** @throws ApiError 400 for what is not JSON in UTF-8, or nested too deep */
export function parseJson(bytes: Buffer): unknown {
  checkDepth(bytes)
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new ApiError(400, 'the body is not UTF-8', { cause })
  }
  try {
    return JSON.parse(text)
  } catch (cause) {
    // The parser's own message quotes the body.
    const at = /position (\d+)/.exec(cause instanceof Error ? cause.message : '')?.[1]
    throw new ApiError(400, `the body is not JSON${at === undefined ? '' : ` (at character ${at})`}`, { cause })
  }
}

const [QUOTE, BACKSLASH, OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x22, 0x5c, 0x5b, 0x5d, 0x7b, 0x7d]

/** The parser recurses: ten thousand levels would end in an overflowing stack. */
function checkDepth(bytes: Buffer): void {
  let depth = 0
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]
    if (byte === QUOTE) {
      at = stringEnd(bytes, at + 1)
      if (at < 0) return
    } else if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
      if (++depth > MAX_JSON_DEPTH)
        throw new ApiError(400, `the body is nested deeper than ${MAX_JSON_DEPTH} levels`, { code: 'invalid_json' })
    } else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) depth--
  }
}

/** Where the string that begins at `from` ends; -1 where it does not. */
function stringEnd(bytes: Buffer, from: number): number {
  for (let at = bytes.indexOf(QUOTE, from); at >= 0; at = bytes.indexOf(QUOTE, at + 1)) {
    let escapes = 0
    while (at - escapes > from && bytes[at - 1 - escapes] === BACKSLASH) escapes++
    if (escapes % 2 === 0) return at
  }
  return -1
}

/** The value as the schema reads it; fields that it does not know are left out. @throws ApiError naming the field */
export function checked<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const { field, message } = firstIssue(parsed.error, value)
  if (field === '') throw new ApiError(400, `the body: ${message}`, { code: 'invalid_type' })
  const missing = message.endsWith('got nothing')
  const code = missing ? 'missing_required_parameter' : message.startsWith('expected') ? 'invalid_type' : 'invalid_value'
  throw new ApiError(400, `${field}: ${message}`, { param: field, code })
}
