/**
 * Follows a text byte by byte through a grammar: a pushdown automaton without its own choice, made deterministic as it goes. A state is
 * the set of places where the text may stand, each a stack of what is still to come; states and the steps between them are made once and
 * kept, up to a limit. Every state can be completed: what cannot is left out. It knows nothing of JSON or tokens.
 */
import { InputError } from '../../common/errors.js'
import { type AutomatonState, type ByteSet, type Expression, type Grammar, shortestTexts } from './expression.js'

/** What is still to come: `head`, then `tail`. The end of the text is the place without a head. */
interface Place {
  readonly id: number
  readonly head: Expression | undefined
  readonly tail: Place | undefined
  /** The bytes that may come, and what is to come behind each; worked out when it is asked for. */
  open?: { readonly leaves: readonly Leaf[]; readonly ends: boolean }
}

interface Leaf {
  readonly set: ByteSet
  readonly to: Place
}

/** A set of places. */
export interface State {
  readonly id: number
  /** Whether the text may end here. */
  readonly ends: boolean
  /** Whether anything may come. */
  readonly goesOn: boolean
  readonly places: readonly Place[]
  readonly leaves: readonly Leaf[]
  /** By class of bytes: the next state, null where there is none, undefined where nobody asked yet. */
  readonly next: (State | null | undefined)[]
}

/** More are forgotten: what is needed again is made again. */
const MAX_STATES = 8000
/** Places and leaves that one walk may look at: less than a second. */
const MAX_WORK = 1_500_000

export class Machine {
  /** Class of each byte: the grammar tells bytes of one class never apart. */
  readonly classOf: Uint8Array
  readonly start: State
  /** Length in bytes of the shortest text. Infinity: there is none, and nothing else may be asked. */
  readonly shortest: number
  private readonly lengths: Float64Array
  /** What is left of repetitions that were begun, by item and counts; the grammar itself does not grow. */
  private readonly begun = new Map<string, Expression>()
  private readonly byteOf: readonly number[]
  private readonly end: Place = { id: 0, head: undefined, tail: undefined, open: { leaves: [], ends: true } }
  private readonly places = new Map<number, Place>()
  private readonly states = new Map<string, State>()
  private made = 1
  private nextRest: number
  private work = 0
  /** How often states were forgotten. */
  age = 0

  constructor(
    private readonly grammar: Grammar,
    root: Expression,
  ) {
    const { classOf, byteOf } = byteClasses(grammar.byteSets)
    this.classOf = classOf
    this.byteOf = byteOf
    this.lengths = shortestTexts(grammar.made)
    this.shortest = this.lengths[root.id] as number
    this.nextRest = grammar.made.length
    this.start = this.state([this.place(root, this.end)])
  }

  get classes(): number {
    return this.byteOf.length
  }

  /** Begins a walk of many steps, which may cost so much and no more. */
  beginWalk(): void {
    this.work = 0
  }

  /**
   * The state behind a byte of a class; null where it may not come.
   * @throws InputError when the walk costs too much
   */
  step(state: State, byteClass: number): State | null {
    const known = state.next[byteClass]
    if (known !== undefined) return known
    const byte = this.byteOf[byteClass] as number
    this.work += state.leaves.length
    if (this.work > MAX_WORK) throw new InputError('format: the schema is too ambiguous to follow; make it simpler')
    const to = state.leaves.filter(({ set }) => set.has[byte] === 1).map((leaf) => leaf.to)
    const next = to.length === 0 ? null : this.state(to)
    state.next[byteClass] = next
    return next
  }

  /** Forgets states where there are too many. A state that is kept longer is exchanged by `again` when `age` has changed. */
  tidy(): void {
    if (this.states.size <= MAX_STATES) return
    this.states.clear()
    this.places.clear()
    this.begun.clear()
    this.age++
  }

  /** The same state without a hold on what was forgotten. */
  again(state: State): State {
    return this.state(state.places.map((place) => this.copy(place)))
  }

  private copy(place: Place): Place {
    const heads: Expression[] = []
    for (let at: Place | undefined = place; at?.head; at = at.tail) heads.push(at.head)
    return heads.reduceRight((tail, head) => this.place(head, tail), this.end)
  }

  private place(head: Expression, tail: Place): Place {
    const key = head.id * 2 ** 27 + tail.id
    const known = this.places.get(key)
    if (known) return known
    const place: Place = { id: this.made++, head, tail }
    this.places.set(key, place)
    return place
  }

  private state(all: readonly Place[]): State {
    const places = [...new Set(all)].sort((a, b) => a.id - b.id)
    const key = places.map(({ id }) => id).join(' ')
    const known = this.states.get(key)
    if (known) return known
    this.work += places.length
    const leaves: Leaf[] = []
    let ends = false
    for (const place of places) {
      const open = this.open(place)
      for (const leaf of open.leaves) leaves.push(leaf)
      ends ||= open.ends
    }
    const next = new Array<State | null | undefined>(this.byteOf.length).fill(undefined)
    const state: State = { id: this.made++, ends, goesOn: leaves.length > 0, places, leaves, next }
    this.states.set(key, state)
    return state
  }

  /** The bytes that may come at a place, and whether the text may end there. */
  private open(place: Place): NonNullable<Place['open']> {
    if (place.open) return place.open
    const leaves: Leaf[] = []
    // A rule that leads to itself without a byte between adds nothing.
    const seen = new Set([place])
    let ends = false
    for (const at of seen) {
      this.work++
      const { head, tail } = at
      if (!head || !tail) ends = true
      else if (this.isPossible(head)) for (const next of this.unfold(head, tail, leaves)) seen.add(next)
    }
    place.open = { leaves, ends }
    return place.open
  }

  /** The places that `head` and then `tail` may stand for; bytes become leaves. */
  private unfold(head: Expression, tail: Place, leaves: Leaf[]): Place[] {
    switch (head.kind) {
      case 'bytes':
        leaves.push({ set: head, to: tail })
        return []
      case 'sequence':
        return [head.items.reduceRight((rest, item) => this.place(item, rest), tail)]
      case 'choice':
        return head.items.map((item) => this.place(item, tail))
      case 'rule':
        return [this.place(head.body as Expression, tail)]
      case 'repeat': {
        const { item, min, max } = head
        const some = this.isPossible(item)
          ? [this.place(item, this.place(this.rest(item, Math.max(0, min - 1), max - 1), tail))]
          : []
        return min === 0 ? [tail, ...some] : some
      }
      case 'automaton':
        for (const { set, to } of head.edges) leaves.push({ set, to: this.place(to, tail) })
        return head.ends ? [tail] : []
    }
  }

  /** Whether any text comes of it. What is left of a repetition is possible: its item was. */
  private isPossible(expression: Expression): boolean {
    return this.lengths[expression.id] !== Number.POSITIVE_INFINITY
  }

  private rest(item: Expression, min: number, max: number): Expression {
    if (max === 0) return this.grammar.empty
    const key = `${item.id} ${min} ${max}`
    const known = this.begun.get(key)
    if (known) return known
    const rest: Expression = { kind: 'repeat', id: this.nextRest++, item, min, max }
    this.begun.set(key, rest)
    return rest
  }
}

/** Bytes that no set tells apart are one class. */
function byteClasses(sets: Iterable<ByteSet>): { classOf: Uint8Array; byteOf: number[] } {
  let classOf = new Uint8Array(256)
  for (const { has } of sets) {
    const names = new Map<number, number>()
    classOf = classOf.map((old, byte) => {
      const pair = old * 2 + (has[byte] as number)
      const name = names.get(pair) ?? names.size
      names.set(pair, name)
      return name
    })
  }
  const byteOf: number[] = []
  for (let byte = 255; byte >= 0; byte--) byteOf[classOf[byte] as number] = byte
  return { classOf, byteOf }
}

/** States that an intersection may have. */
const MAX_PAIRS = 5000

/**
 * What two expressions without rules have in common, as an automaton; `nothing` where that is nothing.
 * @throws InputError where it has too many states
 */
export function intersection(grammar: Grammar, left: Expression, right: Expression): Expression {
  const [a, b] = [new Machine(grammar, left), new Machine(grammar, right)]
  if (a.shortest === Number.POSITIVE_INFINITY || b.shortest === Number.POSITIVE_INFINITY) return grammar.nothing
  interface Pair {
    readonly left: State
    readonly right: State
    readonly state: AutomatonState
    readonly from: Pair[]
    readonly to: Map<Pair, Uint8Array>
    alive: boolean
  }
  const pairs = new Map<string, Pair>()
  const waiting: Pair[] = []
  const pair = (l: State, r: State): Pair => {
    const key = `${l.id} ${r.id}`
    const known = pairs.get(key)
    if (known) return known
    if (pairs.size >= MAX_PAIRS) throw new InputError('format: a pattern with these lengths has too many states; make it simpler')
    const made = { left: l, right: r, state: grammar.automatonState(l.ends && r.ends), from: [], to: new Map(), alive: false }
    pairs.set(key, made)
    waiting.push(made)
    return made
  }
  const start = pair(a.start, b.start)
  const bytesOf = Array.from({ length: a.classes }, (_, c) => [...a.classOf.keys()].filter((byte) => a.classOf[byte] === c))
  for (let at = waiting.pop(); at; at = waiting.pop()) {
    // Both machines have the classes of one grammar.
    for (let c = 0; c < a.classes; c++) {
      const l = a.step(at.left, c)
      const r = l && b.step(at.right, c)
      if (!r) continue
      const to = pair(l, r)
      const has = at.to.get(to) ?? new Uint8Array(256)
      for (const byte of bytesOf[c] as number[]) has[byte] = 1
      if (!at.to.has(to)) to.from.push(at)
      at.to.set(to, has)
    }
  }
  const alive = [...pairs.values()].filter(({ state }) => state.ends)
  for (const each of alive) each.alive = true
  for (let at = alive.pop(); at; at = alive.pop()) {
    for (const before of at.from) {
      if (before.alive) continue
      before.alive = true
      alive.push(before)
    }
  }
  for (const { state, to } of pairs.values())
    for (const [next, has] of to) if (next.alive) state.edges.push({ set: grammar.set(has), to: next.state })
  return start.alive ? start.state : grammar.nothing
}
