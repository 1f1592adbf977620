/**
 * Tools in InternLM2's text format: what there is to call stands behind the system text under `<|plugin|>`, a call is
 * `<|action_start|><|plugin|>` and a JSON object with "name" and "parameters", ended by `<|action_end|>`. The marks are ordinary text here, as
 * everything that comes from outside; a reply may spell them by the names of their ids as well.
 */
import { createHash } from 'node:crypto'

/** A function that the model may ask for. */
export interface Tool {
  readonly name: string
  readonly description?: string | undefined
  /** JSON schema of the arguments. */
  readonly parameters?: Readonly<Record<string, unknown>> | undefined
}

/** A call that the model asks for. */
export interface ToolCall {
  readonly id: string
  readonly name: string
  /** JSON. */
  readonly arguments: string
}

/** Which of the tools may be called, and whether one must be. */
export interface ToolChoice {
  readonly tools: readonly Tool[]
  readonly required: boolean
}

const START = '<|action_start|>'
const END = '<|action_end|>'
const PLUGIN = '<|plugin|>'

/** Spellings of the start of a call, of the kind behind it, and of its end. */
const STARTS = [START, '[UNUSED_TOKEN_144]']
const ENDS = [END, '[UNUSED_TOKEN_143]']
const KINDS = /^\s*(<\|plugin\|>|<\|interpreter\|>|\[UNUSED_TOKEN_14[12]\])/

/** Behind the system text: which tools there are and how one is called. */
export function toolText(tools: readonly Tool[]): string {
  const list = tools.map(({ name, description = '', parameters = { type: 'object', properties: {} } }) => ({
    name,
    description,
    parameters,
  }))
  return `${PLUGIN}\n${JSON.stringify(list)}\nTo call one of these, write ${START}${PLUGIN}\n{"name": NAME, "parameters": PARAMETERS}${END}`
}

/** A call as it stood in the assistant's turn. */
export function callText({ name, arguments: given }: Pick<ToolCall, 'name' | 'arguments'>): string {
  return `${START}${PLUGIN}\n{"name": ${JSON.stringify(name)}, "parameters": ${given.trim() || '{}'}}${END}`
}

/** What a tool answered, as the user's turn behind the call. */
export function resultText(result: string): string {
  return `${PLUGIN}\n${result}`
}

/** The schema of a call, where one must be made: the answer is then nothing else. */
export function callSchema(tools: readonly Tool[]): Record<string, unknown> {
  const forms = tools.map(({ name, parameters = { type: 'object' } }) => ({
    type: 'object',
    properties: { name: { const: name }, parameters },
    required: ['name', 'parameters'],
    additionalProperties: false,
  }))
  return forms.length === 1 ? (forms[0] as Record<string, unknown>) : { anyOf: forms }
}

/** A text that is one call. @param seed makes its id; undefined for what is no call of these tools */
export function parseCall(text: string, tools: readonly Tool[], seed: string): ToolCall | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const { name, parameters, arguments: given } = value as Partial<Record<'name' | 'parameters' | 'arguments', unknown>>
  const found = parameters ?? given ?? {}
  if (!tools.some((tool) => tool.name === name) || typeof found !== 'object') return undefined
  const id = `call_${createHash('sha256').update(`${seed} ${text}`).digest('hex').slice(0, 24)}`
  return { id, name: name as string, arguments: JSON.stringify(found) }
}

/** What came of a piece of a reply. */
export type Parsed = { readonly text: string } | { readonly call: ToolCall }

/** Finds calls in a reply that comes in pieces. Text that may be the beginning of a call is held back. */
export class CallParser {
  private held = ''
  private calls = 0

  /** @param seed of this reply, so that ids of calls differ between replies */
  constructor(
    private readonly tools: readonly Tool[],
    private readonly seed: string,
  ) {}

  push(piece: string): Parsed[] {
    this.held += piece
    const found: Parsed[] = []
    for (;;) {
      const start = first(this.held, STARTS)
      if (!start) break
      const end = first(this.held, ENDS, start.end)
      if (start.at > 0) found.push({ text: this.held.slice(0, start.at) })
      this.held = this.held.slice(start.at)
      if (!end) return found
      const whole = this.held.slice(0, end.end - start.at)
      const inner = this.held.slice(start.end - start.at, end.at - start.at).replace(KINDS, '')
      const call = parseCall(inner, this.tools, `${this.seed} ${this.calls++}`)
      // What is no call of a tool that exists stays text.
      found.push(call ? { call } : { text: whole })
      this.held = this.held.slice(whole.length)
    }
    const keep = Math.max(...STARTS.map((mark) => beginning(this.held, mark)))
    const text = this.held.slice(0, this.held.length - keep)
    this.held = this.held.slice(this.held.length - keep)
    if (text) found.push({ text })
    return found
  }

  /** What is left: a call whose end was cut off stays text, but for one that lacks nothing else. */
  end(): Parsed[] {
    const rest = this.held
    this.held = ''
    if (rest === '') return []
    const start = first(rest, STARTS)
    const call = start && parseCall(rest.slice(start.end).replace(KINDS, ''), this.tools, `${this.seed} ${this.calls}`)
    return [call ? { call } : { text: rest }]
  }
}

function first(text: string, marks: readonly string[], from = 0): { at: number; end: number } | undefined {
  const found = marks.map((mark) => ({ at: text.indexOf(mark, from), size: mark.length })).filter(({ at }) => at >= 0)
  found.sort((a, b) => a.at - b.at)
  return found[0] && { at: found[0].at, end: found[0].at + found[0].size }
}

/** How many of the last characters of `text` are the beginning of `mark`. */
function beginning(text: string, mark: string): number {
  for (let n = Math.min(mark.length - 1, text.length); n > 0; n--) if (text.endsWith(mark.slice(0, n))) return n
  return 0
}
