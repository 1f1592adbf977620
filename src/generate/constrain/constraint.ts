/**
 * Constrained decoding: what an answer may still be, as a mask over the logits. A grammar over bytes is followed by the bytes of each
 * chosen piece; before each choice, the pieces that no completion of the text can begin with are taken away. Everything is made as it is
 * needed and within a budget, so nothing runs for long and a schema that explodes is refused in the middle of nobody else's answer.
 */
import { InputError, XComposerError } from '../../common/errors.js'
import type { Tokenizer } from '../../text/tokenizer.js'
import { Grammar } from './expression.js'
import { schemaExpression } from './json-schema.js'
import { JsonForms } from './json-values.js'
import { Machine, type State } from './machine.js'
import { type TokenTrie, tokenTrie } from './token-trie.js'

/** What an answer must be: a JSON object, or JSON that a JSON Schema allows. */
export type AnswerFormat = { readonly type: 'json' } | { readonly type: 'json_schema'; readonly schema: unknown }

/** Follows one answer and says which ids may come. */
export interface TokenConstraint {
  /** Sets the logits [vocab] of ids that may not come to -Infinity. An end of turn may come where the text may end. */
  mask(logits: Float32Array): void
  /** Takes the chosen id, which is no end of turn. @throws XComposerError for one that might not come */
  accept(id: number): void
  /** Whether nothing but the end of the turn may come. */
  isComplete(): boolean
  /** Another one that stands where this one does. */
  fork(): TokenConstraint
}

/** Grammars that are kept, by what they were made of. */
const MAX_GRAMMARS = 16
/** A text that cannot be shorter than this is no answer. */
const MAX_SHORTEST = 100_000
/** Masks that are kept for each grammar and vocabulary. */
const MAX_MASKS = 256

const machines = new Map<string, Machine>()

/**
 * Checks a format and prepares it; a format that was prepared before costs nothing.
 * @throws InputError naming what cannot be kept, what no answer can fulfil, and what is too large
 */
export function prepareFormat(format: AnswerFormat): Machine {
  const key = keyOf(format)
  const known = machines.get(key)
  machines.delete(key)
  const machine = known ?? compile(format)
  machines.set(key, machine)
  for (const oldest of machines.keys()) {
    if (machines.size <= MAX_GRAMMARS) break
    machines.delete(oldest)
  }
  return machine
}

/** A constraint at the beginning of an answer. @param stopIds may come where the text may end */
export function formatConstraint(tokenizer: Tokenizer, format: AnswerFormat, stopIds: readonly number[]): TokenConstraint {
  const machine = prepareFormat(format)
  return new MachineConstraint(masksOf(machine, tokenizer), stopIds, machine.start)
}

function keyOf(format: AnswerFormat): string {
  const { type } = format
  if (type === 'json') return type
  if (type !== 'json_schema') throw new InputError(`format: expected the type json or json_schema, got ${JSON.stringify(type)}`)
  try {
    return JSON.stringify(format.schema) ?? 'undefined'
  } catch {
    throw new InputError('format: the schema is nested too deep, or no JSON; name its parts in "$defs"')
  }
}

function compile(format: AnswerFormat): Machine {
  const grammar = new Grammar()
  const root = format.type === 'json' ? new JsonForms(grammar).anyObject() : schemaExpression(grammar, format.schema)
  const machine = new Machine(grammar, root)
  if (machine.shortest === Number.POSITIVE_INFINITY)
    throw new InputError('format: no JSON fulfils the schema; look for contradictions, and for a "$ref" that always needs itself')
  if (machine.shortest > MAX_SHORTEST)
    throw new InputError(
      `format: the shortest answer has ${machine.shortest} bytes, expected at most ${MAX_SHORTEST}; ask for less`,
    )
  return machine
}

/** The masks of one grammar over one vocabulary. */
class Masks {
  private readonly kept = new Map<State, Uint32Array>()

  constructor(
    readonly machine: Machine,
    private readonly tokenizer: Tokenizer,
    private readonly trie: TokenTrie,
  ) {}

  /** The ids that may come, a bit each. */
  of(state: State): Uint32Array {
    const known = this.kept.get(state)
    if (known) return known
    const mask = this.make(state)
    for (const oldest of this.kept.keys()) {
      if (this.kept.size < MAX_MASKS) break
      this.kept.delete(oldest)
    }
    this.kept.set(state, mask)
    return mask
  }

  forget(): void {
    this.kept.clear()
  }

  /** The state behind an id; null where it may not come. */
  step(state: State, id: number): State | null {
    const { machine, tokenizer } = this
    const bytes = tokenizer.bytesOf(id)
    if (!bytes || bytes.length === 0) return null
    machine.beginWalk()
    let at: State | null = state
    for (const byte of bytes) at = at && machine.step(at, machine.classOf[byte] as number)
    return at
  }

  private make(start: State): Uint32Array {
    const { machine } = this
    const { classOf } = machine
    const { bytes, depths, skip, first, ids, longest } = this.trie
    const mask = new Uint32Array(Math.ceil(this.tokenizer.size / 32))
    const path = new Array<State>(longest + 1).fill(start)
    machine.beginWalk()
    for (let node = 0; node < bytes.length; ) {
      const depth = depths[node] as number
      const from = path[depth - 1] as State
      const byteClass = classOf[bytes[node] as number] as number
      const to = from.next[byteClass] ?? machine.step(from, byteClass)
      if (!to) {
        node = skip[node] as number
        continue
      }
      path[depth] = to
      for (let i = first[node] as number; i < (first[node + 1] as number); i++) {
        const id = ids[i] as number
        mask[id >> 5] = (mask[id >> 5] as number) | (1 << (id & 31))
      }
      node++
    }
    return mask
  }
}

const masks = new WeakMap<Machine, WeakMap<Tokenizer, Masks>>()

function masksOf(machine: Machine, tokenizer: Tokenizer): Masks {
  const own = masks.get(machine) ?? new WeakMap<Tokenizer, Masks>()
  masks.set(machine, own)
  const known = own.get(tokenizer) ?? new Masks(machine, tokenizer, tokenTrie(tokenizer))
  own.set(tokenizer, known)
  return known
}

class MachineConstraint implements TokenConstraint {
  private age: number

  constructor(
    private readonly masks: Masks,
    private readonly stopIds: readonly number[],
    private state: State,
  ) {
    this.age = masks.machine.age
  }

  mask(logits: Float32Array): void {
    const { state, stopIds } = this
    const stops = state.ends ? stopIds.map((id) => [id, logits[id]] as const) : []
    if (!state.goesOn) logits.fill(Number.NEGATIVE_INFINITY)
    else {
      const mask = this.masks.of(state)
      let left = 0
      for (let id = 0; id < logits.length; id++) {
        if (((mask[id >> 5] ?? 0) >>> (id & 31)) & 1) left++
        else logits[id] = Number.NEGATIVE_INFINITY
      }
      if (left === 0 && stops.length === 0)
        throw new XComposerError('format: the vocabulary has no piece that the answer can go on with; ask for plainer text')
    }
    for (const [id, logit] of stops) if (logit !== undefined) logits[id] = logit
    this.tidy()
  }

  accept(id: number): void {
    const next = this.masks.step(this.state, id)
    if (!next) throw new XComposerError(`format: id ${id} may not come here`)
    this.state = next
  }

  isComplete(): boolean {
    return this.state.ends && !this.state.goesOn
  }

  fork(): TokenConstraint {
    return new MachineConstraint(this.masks, this.stopIds, this.state)
  }

  /** Lets go of what the machine has forgotten. */
  private tidy(): void {
    const { machine } = this.masks
    const { age } = machine
    machine.tidy()
    if (machine.age !== age) this.masks.forget()
    if (machine.age === this.age) return
    this.age = machine.age
    this.state = machine.again(this.state)
  }
}
