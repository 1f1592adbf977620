/** `/v1/cache`: what the caches hold, and emptying them. */
import type { RequestContext, ServerContext } from '../context.js'
import type { CacheStatistics } from '../engine.js'

function cacheObject({ entries, bytes, maxBytes, hits, misses }: CacheStatistics['prefix']) {
  return { entries, bytes, max_bytes: maxBytes, hits, misses }
}

export async function cacheStatistics(c: RequestContext, { engine }: ServerContext): Promise<Response> {
  const { prefix, image } = await engine.cacheStatistics()
  return c.json({ object: 'cache', prefix: cacheObject(prefix), image: cacheObject(image) })
}

export async function clearCaches(c: RequestContext, { engine }: ServerContext): Promise<Response> {
  await engine.clearCaches()
  return c.json({ object: 'cache', cleared: true })
}
