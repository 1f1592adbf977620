/**
 * What the supervisor and its worker say to each other, over the channel of child_process with structured clones: bytes travel as bytes. An
 * answer is sent as its reader takes it: the worker has credit for a few events of each, and gets more when some were read.
 */

import type { Inside } from '../../chat/look-inside.js'
import { type ErrorCode, InputError, XComposerError } from '../../common/errors.js'
import type {
  CacheStatistics,
  Embedding,
  EmbeddingInput,
  EngineEvent,
  EngineModel,
  EngineRequest,
  InsideRequest,
} from '../engine.js'
import type { EngineCounters } from './local-engine.js'
import type { ModelSettings } from './model-shelf.js'

/** Events of one answer that are sent and not yet read, at most. */
export const CREDIT = 32

/** A question with one answer. */
export type Call =
  | { readonly kind: 'embed'; readonly model: string; readonly inputs: readonly EmbeddingInput[] }
  | { readonly kind: 'inside'; readonly request: InsideRequest }
  | { readonly kind: 'statistics' }
  | { readonly kind: 'clear' }
  | { readonly kind: 'counters' }

/** What each kind of call gives. */
export interface CallValues {
  readonly embed: readonly Embedding[]
  readonly inside: Inside
  readonly statistics: CacheStatistics
  readonly clear: undefined
  readonly counters: WorkerCounters
}

/** What the worker holds. */
export interface WorkerCounters extends EngineCounters {
  /** Events of open answers that were sent on credit. */
  readonly unread: number
}

/** Work with an id of its own. */
export type Work = { readonly type: 'answer'; readonly request: EngineRequest } | { readonly type: 'call'; readonly call: Call }

export type ToWorker =
  | { readonly type: 'start'; readonly settings: ModelSettings }
  | (Work & { readonly id: number })
  | { readonly type: 'credit'; readonly id: number; readonly events: number }
  | { readonly type: 'abort'; readonly id: number }
  /** Nothing is asked any more: free everything and exit. */
  | { readonly type: 'close' }

export type FromWorker =
  /** The default model is loaded. */
  | { readonly type: 'started'; readonly models: readonly EngineModel[] }
  /** It cannot be; the worker exits. */
  | { readonly type: 'refused'; readonly error: SentError }
  | { readonly type: 'models'; readonly models: readonly EngineModel[] }
  | { readonly type: 'event'; readonly id: number; readonly event: EngineEvent }
  | { readonly type: 'value'; readonly id: number; readonly value: CallValues[Call['kind']] }
  | { readonly type: 'failed'; readonly id: number; readonly error: SentError }
  | { readonly type: 'notice'; readonly line: string }

/** An error as plain data. */
export interface SentError {
  readonly message: string
  readonly code: ErrorCode
  /** Whether it is an InputError: the asker's mistake. */
  readonly input: boolean
  /** Of an error that nobody expected. */
  readonly stack?: string
}

export function packError(error: unknown): SentError {
  if (error instanceof XComposerError) {
    return { message: error.message, code: error.code, input: error instanceof InputError }
  }
  const { message = String(error), stack = '' } = error instanceof Error ? error : {}
  return { message, code: 'failed', input: false, stack }
}

/** The error on the other side: its code and its class as far as it says who made the mistake. */
export function unpackError({ message, code, input, stack }: SentError): XComposerError {
  const options = { code, ...(stack === undefined ? {} : { cause: new Error(stack) }) }
  return input ? new InputError(message, options) : new XComposerError(message, options)
}
