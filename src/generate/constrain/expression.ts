/**
 * What a text may be, as expressions over bytes: sets of bytes, sequences, choices, repetitions, and rules that may name themselves. A
 * grammar makes them; nothing here knows JSON, tokens or how expressions are matched (machine.ts).
 */

interface Made {
  /** Unique within a grammar. */
  readonly id: number
}

/** One byte of a set; flags by byte. */
export interface ByteSet extends Made {
  readonly kind: 'bytes'
  readonly has: Uint8Array
}

/** All items, one after the other; none: the empty text. */
interface Sequence extends Made {
  readonly kind: 'sequence'
  readonly items: readonly Expression[]
}

/** One of the items; none: nothing at all, not even the empty text. */
interface Choice extends Made {
  readonly kind: 'choice'
  readonly items: readonly Expression[]
}

/** The item `min` to `max` times. */
interface Repeat extends Made {
  readonly kind: 'repeat'
  readonly item: Expression
  readonly min: number
  readonly max: number
}

/** What stands under a name, which may be given later. */
export interface Rule extends Made {
  readonly kind: 'rule'
  body: Expression | undefined
}

/** A state of a finite automaton, all of whose states can reach one that ends. */
export interface AutomatonState extends Made {
  readonly kind: 'automaton'
  readonly edges: { readonly set: ByteSet; readonly to: AutomatonState }[]
  ends: boolean
}

export type Expression = ByteSet | Sequence | Choice | Repeat | Rule | AutomatonState

const utf8 = new TextEncoder()

/** Makes the expressions of one grammar. */
export class Grammar {
  private readonly all: Expression[] = []
  private readonly sets = new Map<string, ByteSet>()
  private readonly repeats = new Map<string, Repeat>()
  /** The empty text. */
  readonly empty = this.sequence()
  /** No text at all. */
  readonly nothing = this.choice()

  /** Every expression by its id. What one is made of stands before it, but for the bodies of rules. */
  get made(): readonly Expression[] {
    return this.all
  }

  /** One byte of the ranges (both ends count). */
  bytes(...ranges: readonly (readonly [from: number, to: number])[]): ByteSet {
    const has = new Uint8Array(256)
    for (const [from, to] of ranges) has.fill(1, from, to + 1)
    return this.set(has)
  }

  set(has: Uint8Array): ByteSet {
    const key = String.fromCharCode(...has)
    const known = this.sets.get(key)
    if (known) return known
    const set = this.enter({ kind: 'bytes', id: this.all.length, has })
    this.sets.set(key, set)
    return set
  }

  /** The text as it stands. */
  text(text: string): Expression {
    return this.sequence(...Array.from(utf8.encode(text), (byte) => this.bytes([byte, byte])))
  }

  sequence(...items: readonly Expression[]): Expression {
    return items.length === 1 ? (items[0] as Expression) : this.enter({ kind: 'sequence', id: this.all.length, items })
  }

  choice(...items: readonly Expression[]): Expression {
    return items.length === 1 ? (items[0] as Expression) : this.enter({ kind: 'choice', id: this.all.length, items })
  }

  optional(item: Expression): Expression {
    return this.choice(this.empty, item)
  }

  repeat(item: Expression, min: number, max: number): Expression {
    if (max <= 0) return this.empty
    const key = `${item.id} ${min} ${max}`
    const known = this.repeats.get(key)
    if (known) return known
    const repeat = this.enter({ kind: 'repeat', id: this.all.length, item, min, max })
    this.repeats.set(key, repeat)
    return repeat
  }

  rule(): Rule {
    return this.enter({ kind: 'rule', id: this.all.length, body: undefined })
  }

  automatonState(ends: boolean): AutomatonState {
    return this.enter({ kind: 'automaton', id: this.all.length, edges: [], ends })
  }

  /** Every set of bytes. */
  get byteSets(): Iterable<ByteSet> {
    return this.sets.values()
  }

  private enter<T extends Expression>(expression: T): T {
    this.all.push(expression)
    return expression
  }
}

/** The length in bytes of the shortest text of each expression, by id; Infinity where there is none. */
export function shortestTexts(all: readonly Expression[]): Float64Array {
  const lengths = new Float64Array(all.length).fill(Number.POSITIVE_INFINITY)
  const of = (expression: Expression): number => lengths[expression.id] as number
  // Bodies of rules stand behind their names: again until no name gets shorter.
  do for (const expression of all) lengths[expression.id] = measure(expression, of)
  while (all.some((expression) => expression.kind === 'rule' && expression.body && of(expression.body) < of(expression)))
  return lengths
}

function measure(expression: Expression, of: (part: Expression) => number): number {
  switch (expression.kind) {
    case 'bytes':
      return expression.has.includes(1) ? 1 : Number.POSITIVE_INFINITY
    case 'sequence':
      return expression.items.reduce((sum, item) => sum + of(item), 0)
    case 'choice':
      return expression.items.reduce((least, item) => Math.min(least, of(item)), Number.POSITIVE_INFINITY)
    case 'repeat':
      if (expression.min > expression.max) return Number.POSITIVE_INFINITY
      return expression.min === 0 ? 0 : expression.min * of(expression.item)
    case 'automaton':
      // Every state leads to an end; how far that is does not matter.
      return expression.ends ? 0 : 1
    case 'rule':
      return expression.body ? of(expression.body) : Number.POSITIVE_INFINITY
  }
}
