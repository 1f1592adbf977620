/** Server-sent events of a response: the data of each, in order, however the bytes are cut. */
export async function* serverEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  let waiting = ''
  try {
    while (true) {
      const { done, value } = await reader.read()
      waiting += done ? decoder.decode() : decoder.decode(value, { stream: true })
      const events = waiting.split(/\r?\n\r?\n/)
      waiting = done ? '' : (events.pop() ?? '')
      for (const event of events) {
        const data = event
          .split(/\r?\n/)
          .filter((line) => line.startsWith('data:'))
          .map((line) => line.slice(5).replace(/^ /, ''))
        if (data.length > 0) yield data.join('\n')
      }
      if (done) return
    }
  } finally {
    // Reached too where the reader of the events stops early: the server must see that nobody listens.
    await reader.cancel().catch(() => {})
  }
}
