/** The events of a streamed response, numbered in their order. */
import type { ChosenLogprob } from '../../generate/logprobs.js'
import type { ChoiceEvent } from '../answers.js'
import type { EngineUsage } from '../engine.js'
import type { ApiError } from '../errors.js'
import { event } from '../event-stream.js'
import { callItem, messageItem, type OutputItem, textPart } from './response-items.js'
import type { ResponseBase } from './responses.js'
import { logprobObject } from './usage.js'

type Finish = (status: 'completed' | 'incomplete', output: readonly OutputItem[], usage: EngineUsage) => object

/** One stream. */
export class ResponseStream {
  private sequence = 0
  private readonly output: OutputItem[] = []
  private message: { id: string; text: string; logprobs: ChosenLogprob[] } | undefined

  /** @param id of the request @param finish makes the response as it is at its end */
  constructor(
    private readonly base: ResponseBase,
    private readonly id: string,
    private readonly finish: Finish,
  ) {}

  async *events(answer: AsyncIterable<ChoiceEvent>): AsyncGenerator<string, void, void> {
    let begun = false
    for await (const one of answer) {
      if (!begun) {
        begun = true
        const response = {
          ...this.base,
          status: 'in_progress',
          error: null,
          incomplete_details: null,
          completed_at: null,
          output: [],
        }
        yield this.send('response.created', { response })
        yield this.send('response.in_progress', { response })
      }
      if (one.type === 'text') yield* this.text(one.text, one.logprobs ?? [])
      else if (one.type === 'call') {
        yield* this.closeMessage('completed')
        yield* this.call(one.call)
      } else {
        const status = one.finishReason === 'length' ? 'incomplete' : 'completed'
        if (!this.message && this.output.length === 0) yield* this.openMessage()
        yield* this.closeMessage(status)
        yield this.send(`response.${status}`, { response: this.finish(status, this.output, one.usage) })
      }
    }
  }

  /** What ends a stream that fails. */
  failure({ message, code, param }: ApiError, response: object): string {
    return this.send('error', { code, message, param }) + this.send('response.failed', { response })
  }

  private send(type: string, data: object): string {
    return event({ type, sequence_number: this.sequence++, ...data }, type)
  }

  private *openMessage(): Generator<string, { id: string; text: string; logprobs: ChosenLogprob[] }, void> {
    if (this.message) return this.message
    const message = { id: `msg_${this.id}_${this.output.length}`, text: '', logprobs: [] }
    this.message = message
    const place = { output_index: this.output.length }
    yield this.send('response.output_item.added', { ...place, item: messageItem(message.id, 'in_progress', []) })
    yield this.send('response.content_part.added', { ...place, item_id: message.id, content_index: 0, part: textPart('', []) })
    return message
  }

  private *text(text: string, logprobs: readonly ChosenLogprob[]): Generator<string, void, void> {
    if (text === '' && logprobs.length === 0) return
    const message = yield* this.openMessage()
    message.text += text
    message.logprobs.push(...logprobs)
    const delta = { delta: text, logprobs: logprobs.map(logprobObject) }
    yield this.send('response.output_text.delta', { ...this.place(message.id), ...delta })
  }

  private *closeMessage(status: 'completed' | 'incomplete'): Generator<string, void, void> {
    const { message } = this
    if (!message) return
    this.message = undefined
    const { id, text, logprobs } = message
    const part = textPart(text, logprobs)
    const item = messageItem(id, status, [part])
    yield this.send('response.output_text.done', { ...this.place(id), text, logprobs: part.logprobs })
    yield this.send('response.content_part.done', { ...this.place(id), part })
    yield this.send('response.output_item.done', { output_index: this.output.length, item })
    this.output.push(item)
  }

  private *call(call: Parameters<typeof callItem>[0]): Generator<string, void, void> {
    const item = callItem(call, 'completed')
    const place = { output_index: this.output.length }
    const own = { ...place, item_id: item.id }
    yield this.send('response.output_item.added', { ...place, item: { ...item, status: 'in_progress', arguments: '' } })
    yield this.send('response.function_call_arguments.delta', { ...own, delta: item.arguments })
    yield this.send('response.function_call_arguments.done', { ...own, name: item.name, arguments: item.arguments })
    yield this.send('response.output_item.done', { ...place, item })
    this.output.push(item)
  }

  private place(id: string) {
    return { item_id: id, output_index: this.output.length, content_index: 0 }
  }
}
