/** The output of a response: messages and calls of functions, gathered from what comes of an answer. */
import type { ChosenLogprob } from '../../generate/logprobs.js'
import type { ChoiceEvent } from '../answers.js'
import type { ToolCall } from '../tools.js'
import { logprobObject } from './usage.js'

type Status = 'in_progress' | 'completed' | 'incomplete'

export type OutputItem = ReturnType<typeof messageItem> | ReturnType<typeof callItem>

export function messageItem(id: string, status: Status, content: readonly ReturnType<typeof textPart>[]) {
  return { id, type: 'message' as const, status, role: 'assistant' as const, content }
}

export function textPart(text: string, logprobs: readonly ChosenLogprob[]) {
  return { type: 'output_text' as const, text, annotations: [], logprobs: logprobs.map(logprobObject) }
}

export function callItem({ id, name, arguments: given }: ToolCall, status: Status) {
  return { id: `fc_${id.replace(/^call_/, '')}`, type: 'function_call' as const, status, call_id: id, name, arguments: given }
}

/** Gathers the items. Text in one piece is one message; a call ends it. */
export class OutputItems {
  private readonly items: ({ id: string; text: string; logprobs: ChosenLogprob[] } | ToolCall)[] = []

  /** @param id of the request, in those of the items */
  constructor(private readonly id: string) {}

  add(event: ChoiceEvent): void {
    if (event.type === 'call') this.items.push(event.call)
    if (event.type !== 'text' || (event.text === '' && !event.logprobs?.length)) return
    let last = this.items.at(-1)
    if (!last || !('text' in last)) {
      last = { id: `msg_${this.id}_${this.items.length}`, text: '', logprobs: [] }
      this.items.push(last)
    }
    last.text += event.text
    last.logprobs.push(...(event.logprobs ?? []))
  }

  /** @param status of a message that was the last; what came before is complete */
  finished(status: 'completed' | 'incomplete'): OutputItem[] {
    if (this.items.length === 0) this.items.push({ id: `msg_${this.id}_0`, text: '', logprobs: [] })
    return this.items.map((item, i) => {
      const own = i === this.items.length - 1 ? status : 'completed'
      return 'text' in item ? messageItem(item.id, own, [textPart(item.text, item.logprobs)]) : callItem(item, own)
    })
  }
}
