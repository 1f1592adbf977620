/** `/healthz`: the process lives. `/readyz`: requests can be answered. `/metrics`: counts for Prometheus. */
import type { RequestContext, ServerContext } from '../context.js'

export function health(c: RequestContext): Response {
  return c.json({ status: 'ok' })
}

export function readiness(c: RequestContext, { engine, draining }: ServerContext): Response {
  if (draining) return c.json({ status: 'draining' }, 503)
  return engine.ready ? c.json({ status: 'ready' }) : c.json({ status: 'starting' }, 503)
}

export async function metricsText(c: RequestContext, { engine, admission, metrics }: ServerContext): Promise<Response> {
  metrics.set('xcomposer_ready', 'Whether requests can be answered.', engine.ready ? 1 : 0)
  metrics.set('xcomposer_running', 'Requests that run.', admission.running)
  metrics.set('xcomposer_waiting', 'Requests that wait for their turn.', admission.waiting)
  metrics.set('xcomposer_resident_bytes', 'Memory of the server without its engine.', process.memoryUsage.rss())
  if (engine.ready) {
    for (const [cache, statistics] of Object.entries(await engine.cacheStatistics())) {
      const { entries, bytes, maxBytes, hits, misses } = statistics
      metrics.set('xcomposer_cache_entries', 'Entries of a cache.', entries, { cache })
      metrics.set('xcomposer_cache_bytes', 'Bytes of a cache.', bytes, { cache })
      metrics.set('xcomposer_cache_max_bytes', 'Most bytes of a cache.', maxBytes, { cache })
      metrics.set('xcomposer_cache_hits', 'Lookups that found what they looked for.', hits, { cache })
      metrics.set('xcomposer_cache_misses', 'Lookups that did not.', misses, { cache })
    }
  }
  return c.text(metrics.text(), 200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' })
}
