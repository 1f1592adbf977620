import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { serverEvents } from './sse'

async function read(bytes: Uint8Array, cuts: readonly number[]): Promise<string[]> {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b)
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      let from = 0
      for (const to of [...places, bytes.length]) {
        controller.enqueue(bytes.slice(from, to))
        from = to
      }
      controller.close()
    },
  })
  const events: string[] = []
  for await (const data of serverEvents(body)) events.push(data)
  return events
}

describe('server-sent events', () => {
  it('are the same wherever the bytes are cut', async () => {
    const text = ': comment\n\ndata: {"a":"乌兰巴托"}\n\nevent: x\ndata: one\ndata: two\n\ndata: [DONE]\n\n'
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat()), async (cuts) => {
        expect(await read(new TextEncoder().encode(text), cuts)).toEqual(['{"a":"乌兰巴托"}', 'one\ntwo', '[DONE]'])
      }),
    )
  })

  it('may end without an empty line', async () => {
    expect(await read(new TextEncoder().encode('data: last'), [])).toEqual(['last'])
  })
})
