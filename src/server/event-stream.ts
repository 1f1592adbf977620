/**
 * Server-sent events that are made as fast as they are read. A reader who stops reading stops what is made for him; one who does not go on
 * for a while is cut off.
 */

export interface EventStreamOptions {
  /** Ends what makes the events. */
  abort(reason: Error): void
  /** Cuts the connection. */
  cut(): void
  /** How long a reader may leave an event unread. */
  readonly stallMs: number
}

const encoder = new TextEncoder()

/** The lines, each a whole event, as the body of a response. */
export function eventStream(lines: AsyncIterator<string, void, void>, options: EventStreamOptions): ReadableStream<Uint8Array> {
  let timer: NodeJS.Timeout | undefined
  const end = (why: string) => {
    clearTimeout(timer)
    options.abort(new Error(why))
    void lines.return?.().then(undefined, () => {})
  }
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        clearTimeout(timer)
        const step = await lines.next()
        if (step.done) return controller.close()
        controller.enqueue(encoder.encode(step.value))
        timer = setTimeout(() => {
          end('the reader stopped reading')
          options.cut()
        }, options.stallMs)
      },
      cancel() {
        end('the reader left')
      },
    },
    // Nothing is made before it is asked for.
    { highWaterMark: 0 },
  )
}

/** One event. @param name where the form has named events */
export function event(data: unknown, name?: string): string {
  const text = typeof data === 'string' ? data : JSON.stringify(data)
  return `${name === undefined ? '' : `event: ${name}\n`}data: ${text}\n\n`
}
