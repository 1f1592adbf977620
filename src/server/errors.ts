/**
 * Errors as HTTP answers: OpenAI's error object with the path of the field in `param`. What a client did wrong is told; what went wrong
 * inside is logged, and told as "internal error" alone.
 */
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { XComposerError } from '../common/errors.js'
import { EngineLostError } from './engine.js'

/** The inside of `{ "error": ... }`. */
export interface ErrorBody {
  readonly message: string
  readonly type: string
  readonly param: string | null
  readonly code: string | null
}

export interface ApiErrorOptions {
  readonly type?: string
  /** Dotted path of the field, as `messages.0.content.1.image_url.url`. */
  readonly param?: string | null
  readonly code?: string | null
  /** Seconds, for the header `Retry-After`. */
  readonly retryAfter?: number
  readonly cause?: unknown
}

/** An answer that is an error. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly type: string
  readonly param: string | null
  readonly code: string | null
  readonly retryAfter: number | undefined

  constructor(
    readonly status: ContentfulStatusCode,
    message: string,
    { type, param = null, code = null, retryAfter, cause }: ApiErrorOptions = {},
  ) {
    super(message, { cause })
    this.type = type ?? (status >= 500 ? 'server_error' : 'invalid_request_error')
    this.param = param
    this.code = code
    this.retryAfter = retryAfter
  }

  get body(): { readonly error: ErrorBody } {
    const { message, type, param, code } = this
    return { error: { message, type, param, code } }
  }
}

/** A field that is refused. The message begins with its path. */
export function fieldError(param: string, message: string, code = 'invalid_value'): ApiError {
  return new ApiError(400, `${param}: ${message}`, { param, code })
}

export const internalError = (cause?: unknown): ApiError =>
  new ApiError(500, 'internal error; the log of the server says more', { code: 'internal_error', cause })

export function unavailable(message: string, retryAfter: number): ApiError {
  return new ApiError(503, message, { code: 'service_unavailable', retryAfter })
}

/** Where a prompt comes from in a request, for errors that concern it as a whole. */
export type PromptField = 'messages' | 'prompt' | 'input'

/**
 * Any error as an answer.
 * @param field of the prompt
 */
export function toApiError(error: unknown, field?: PromptField): ApiError {
  if (error instanceof ApiError) return error
  if (error instanceof EngineLostError)
    return new ApiError(503, 'the engine ended while it answered; ask again', {
      code: 'engine_lost',
      retryAfter: 2,
      cause: error,
    })
  if (error instanceof XComposerError && error.exitCode === 2) return inputError(error, field)
  if (error instanceof XComposerError && error.code === 'disposed') return unavailable('the engine is ending; ask again', 5)
  return internalError(error)
}

/** Messages of the engine name a field first ("stop: ..."), or an image by the path that the API gave it as its name. */
function inputError(error: XComposerError, field: PromptField | undefined): ApiError {
  const { message, code } = error
  if (code === 'context_length_exceeded') return new ApiError(400, message, { param: field ?? null, code, cause: error })
  const named = /^([a-z_]+(?:\.\w+)*): /.exec(message)?.[1]
  return new ApiError(400, message, {
    param: named ?? field ?? null,
    code: code === 'invalid_image' ? code : 'invalid_value',
    cause: error,
  })
}
