/** The least that a server of the same framework can do: node dist/bench/serve-bare.js answers every chat with the same words. */
import { serve } from '@hono/node-server'
import { Hono } from 'hono'

const app = new Hono()
app.post('/v1/chat/completions', async (c) => {
  await c.req.json()
  return c.json({ object: 'chat.completion', choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' } }] })
})
serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) => {
  process.stdout.write(`listening on http://127.0.0.1:${port}\n`)
})
