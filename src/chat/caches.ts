/** What a model keeps between requests: beginnings of prompts, and features of images. */
import type { CacheStatistics } from '../inference/prefix-cache.js'
import type { XComposer } from '../inference/xcomposer.js'
import { imageCacheOf } from './images.js'

/**
 * What is kept of a model's requests, and how often it helped.
 *
 * @example
 * const { prefix, image } = cacheStatistics(model)
 */
export function cacheStatistics(model: XComposer): { readonly prefix: CacheStatistics; readonly image: CacheStatistics } {
  return { prefix: model.prefixes.statistics, image: imageCacheOf(model).statistics }
}

/** Forgets all of it; answers that are being made are not disturbed. */
export function clearCaches(model: XComposer): void {
  model.prefixes.clear()
  imageCacheOf(model).clear()
}
