/**
 * Tools in InternLM2's text format (its chat_format.md): a system text lists them as JSON, a reply calls one between `<|action_start|>`
 * `<|plugin|>` and `<|action_end|>`, and results come back as JSON. XComposer2's vocabulary has these marks as [UNUSED_TOKEN_144], _141 and
 * _143, so both spellings are read. Plain functions: what is rendered is text like any other, never a control id.
 */
import { isRecord } from '../common/json.js'

/** A tool, as the system text lists it. */
export interface Tool {
  readonly name: string
  readonly description?: string
  /** JSON Schema of its arguments, an object. */
  readonly parameters?: unknown
}

/** A call of a tool. */
export interface ToolCall {
  readonly name: string
  /** The arguments, an object as JSON. */
  readonly arguments: string
}

/** A reply taken apart. */
export interface ParsedReply {
  /** What is no call; white space beside calls is left out. */
  readonly content: string
  readonly calls: readonly ToolCall[]
}

const START = '<|action_start|><|plugin|>'
const END = '<|action_end|>'
const STARTS = [START, '[UNUSED_TOKEN_144][UNUSED_TOKEN_141]']
const ENDS = [END, '[UNUSED_TOKEN_143]']

/** The system text that lists the tools and says how to call one; it stands behind the caller's own. */
export function toolSystemText(tools: readonly Tool[]): string {
  const listed = tools.map(({ name, description, parameters }) => ({
    name,
    ...(description === undefined ? {} : { description }),
    parameters: parameters ?? { type: 'object', properties: {} },
  }))
  return (
    `You can use these tools:\n${JSON.stringify(listed, null, 4)}\n` +
    `To call one, write ${START}\n{"name": NAME, "parameters": {...}}${END} and end your turn; its result comes next. ` +
    'Call only the tools of this list, and answer at once where you need none.'
  )
}

/** A reply as it stands in the history: its content, and the calls behind it. */
export function toolCallText(content: string, calls: readonly ToolCall[]): string {
  const written = calls.map((call) => `${START}\n{"name": ${JSON.stringify(call.name)}, "parameters": ${call.arguments}}${END}`)
  return content + written.join('')
}

/** The results of calls as the text of the next turn, in their order. */
export function toolResultText(results: readonly { readonly name: string; readonly content: string }[]): string {
  return results.map(({ name, content }) => JSON.stringify({ name, result: jsonOrText(content) })).join('\n')
}

/** JSON Schema of a call of one of the tools, for an answer that must be one (`format`); `readCalls` reads it. */
export function toolCallSchema(tools: readonly Tool[]): Record<string, unknown> {
  return {
    anyOf: tools.map(({ name, parameters }) => ({
      type: 'object',
      properties: {
        name: { const: name },
        parameters: parameters ?? { type: 'object', properties: {}, additionalProperties: false },
      },
      required: ['name', 'parameters'],
      additionalProperties: false,
    })),
  }
}

/**
 * Takes the calls out of a reply. What stands between marks and is no call in JSON stays content, as it is; a last call whose end mark is
 * missing counts if its JSON is complete.
 * So parseToolCalls('Sure.<|action_start|><|plugin|>\n{"name": "add", "parameters": {"a": 1}}<|action_end|>') is
 * { content: 'Sure.', calls: [{ name: 'add', arguments: '{"a":1}' }] }.
 */
export function parseToolCalls(text: string): ParsedReply {
  const stream = new ToolCallStream()
  const [first, last] = [stream.push(text), stream.end()]
  return { content: (first.content + last.content).trim(), calls: [...first.calls, ...last.calls] }
}

/** The calls that a JSON text is: one, or a list of them; undefined where it is none. */
export function readCalls(json: string): ToolCall[] | undefined {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    return undefined
  }
  const calls = (Array.isArray(value) ? value : [value]).map(oneCall)
  return calls.length > 0 && calls.every((call) => call !== undefined) ? calls : undefined
}

/** Takes calls out of a reply while it is written. What may still become a call is held back. */
export class ToolCallStream {
  private held = ''

  /** Takes the next piece; gives what is certainly content, and the calls that are complete. */
  push(piece: string): ParsedReply {
    let text = this.held + piece
    let content = ''
    const calls: ToolCall[] = []
    for (;;) {
      const start = firstOf(text, STARTS)
      if (!start) {
        const keep = STARTS.reduce((most, mark) => Math.max(most, overlap(text, mark)), 0)
        this.held = text.slice(text.length - keep)
        return { content: content + text.slice(0, text.length - keep), calls }
      }
      content += text.slice(0, start.at)
      text = text.slice(start.at)
      const end = firstOf(text, ENDS)
      if (!end) {
        this.held = text
        return { content, calls }
      }
      const read = readCalls(text.slice(start.size, end.at))
      if (read) calls.push(...read)
      else content += text.slice(0, end.at + end.size)
      text = text.slice(end.at + end.size)
    }
  }

  /** The reply has ended: what was held back. */
  end(): ParsedReply {
    const { held } = this
    this.held = ''
    const start = firstOf(held, STARTS)
    const calls = start && readCalls(held.slice(start.size))
    return calls ? { content: '', calls } : { content: held, calls: [] }
  }
}

function oneCall(value: unknown): ToolCall | undefined {
  if (!isRecord(value) || typeof value.name !== 'string' || value.name === '') return undefined
  const given = value.parameters ?? value.arguments ?? {}
  // Some models write the arguments as JSON inside JSON.
  const inner = typeof given === 'string' ? jsonOrText(given) : given
  return isRecord(inner) ? { name: value.name, arguments: JSON.stringify(inner) } : undefined
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return text
  }
}

function firstOf(text: string, marks: readonly string[]): { at: number; size: number } | undefined {
  const found = marks.map((mark) => ({ at: text.indexOf(mark), size: mark.length })).filter(({ at }) => at >= 0)
  return found.sort((a, b) => a.at - b.at)[0]
}

/** How many of the last characters of `text` are the beginning of `mark`. */
function overlap(text: string, mark: string): number {
  for (let n = Math.min(mark.length - 1, text.length); n > 0; n--) if (text.endsWith(mark.slice(0, n))) return n
  return 0
}
