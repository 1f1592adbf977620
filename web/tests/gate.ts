/**
 * A proxy between browser and server whose address stays while servers come and go, and that can hold an answer back in the middle: what a
 * test does "while an answer is written" is then done at that moment, however fast the model is.
 */
import { createServer, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Gate {
  readonly url: string
  /** Where requests go; undefined: nobody answers. */
  target: number | undefined
  /** From now on answers stop after this many pieces. */
  hold(pieces: number): void
  /** Resolves when an answer is held back. */
  holding(): Promise<void>
  /** Lets everything through again. */
  release(): void
  /** The server is gone: nothing that was held back comes any more, and nobody answers until there is another target. */
  cut(): void
  close(): void
}

export async function openGate(): Promise<Gate> {
  let held = Number.POSITIVE_INFINITY
  const waiting = new Set<(goOn: boolean) => void>()
  const watching: (() => void)[] = []
  const gate = { target: undefined as number | undefined }
  const server = createServer((incoming, outgoing) => {
    if (gate.target === undefined) return void outgoing.destroy()
    const { url, method, headers } = incoming
    const onward = request({ port: gate.target, host: '127.0.0.1', path: url, method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      outgoing.flushHeaders()
      const isStream = answer.headers['content-type']?.startsWith('text/event-stream') === true
      if (!isStream) return void answer.on('error', () => outgoing.destroy()).pipe(outgoing)
      void pieces(answer, outgoing)
    })
    onward.on('error', () => outgoing.destroy())
    outgoing.on('close', () => onward.destroy())
    incoming.pipe(onward)
  })

  async function pieces(answer: NodeJS.ReadableStream, outgoing: ServerResponse): Promise<void> {
    let passed = 0
    let text = ''
    try {
      for await (const data of answer) {
        text += data
        for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
          const event = text.slice(0, end + 2)
          text = text.slice(end + 2)
          const waits = /"content":"[^"]/.test(event) && ++passed > held
          if (waits && !(await wait())) return void outgoing.destroy()
          outgoing.write(event)
        }
      }
      outgoing.end(text)
    } catch {
      outgoing.destroy()
    }
  }

  const wait = () =>
    new Promise<boolean>((resolve) => {
      waiting.add(resolve)
      for (const seen of watching.splice(0)) seen()
    })
  const end = (goOn: boolean) => {
    for (const resolve of waiting) resolve(goOn)
    waiting.clear()
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return Object.assign(gate, {
    url: `http://127.0.0.1:${port}`,
    hold(pieces: number) {
      held = pieces
    },
    holding: () => new Promise<void>((resolve) => (waiting.size > 0 ? resolve() : watching.push(resolve))),
    release() {
      held = Number.POSITIVE_INFINITY
      end(true)
    },
    cut() {
      gate.target = undefined
      held = Number.POSITIVE_INFINITY
      end(false)
    },
    close() {
      server.closeAllConnections()
      server.close()
    },
  })
}
