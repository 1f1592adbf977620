/**
 * The tokenizer (SPEC 7): text to ids and back, exact to the reference, for any SentencePiece BPE model in the same style.
 * Text from outside is data: by default a control string such as `[UNUSED_TOKEN_146]` or `</s>` in it is encoded as plain
 * characters and can never become the control id. It knows nothing of turns or prompts.
 */
import { readFileSync, statSync } from 'node:fs'
import { InputError } from '../common/errors.js'
import { encodeBpe, type Vocabulary } from './bpe.js'
import { ByteRun, CleanUpStream, cleanUp } from './decode.js'
import { byteOf, type Piece, parseSentencePieceModel } from './sentencepiece-model.js'
import { type JsonTokenizer, readTokenizerJson } from './tokenizer-json.js'

export const BEGIN_OF_TURN = '[UNUSED_TOKEN_146]'
export const END_OF_TURN = '[UNUSED_TOKEN_145]'

const SPACE = '\u2581'
const MAX_FILE_BYTES = 256 * 1024 * 1024
const CONTROL_STYLE = /^(\[UNUSED_TOKEN_\d+\]|<\|[^|]*\|>)$/

const utf8 = new TextEncoder()

export interface EncodeOptions {
  /** Reproduce the reference literally: control strings in the text become control ids. Only for trusted text. */
  readonly literalControls?: boolean
}

export interface DecodeOptions {
  /** Leave `<unk>`, `<s>` and `</s>` out (default true). Turn markers are ordinary pieces and stay. */
  readonly skipSpecial?: boolean
  /** The reference's English clean-up of spaces (default true). */
  readonly cleanUp?: boolean
}

export class Tokenizer {
  readonly size: number
  readonly bosId: number
  readonly eosId: number
  readonly unkId: number
  /** Padding is end of sequence (SPEC 7.4). */
  readonly padId: number
  readonly beginOfTurnId: number
  readonly endOfTurnId: number
  private readonly ids = new Map<string, number>()
  private readonly vocabulary: Vocabulary
  private readonly controls = new Map<string, number>()
  private readonly controlPattern: RegExp
  /** What each id decodes to: its text, or -1 - byte for byte pieces. */
  private readonly surface: (string | number | Uint8Array)[] = []
  private readonly special: Uint8Array

  /**
   * Reads a SentencePiece `.model` file, or a tokenizer.json with its tokenizer_config.json.
   * @throws InputError when the file is missing, damaged or of a kind that we do not reproduce
   */
  static load(file: string): Tokenizer {
    if (file.endsWith('.json')) {
      const json = readTokenizerJson(file)
      const pieces = json.pieces.map(
        (piece, id): Piece => ({
          text: piece?.text ?? `<hole ${id}>`,
          score: 0,
          kind: piece?.special ? 'control' : piece ? 'normal' : 'unused',
        }),
      )
      return new Tokenizer(pieces, file, json)
    }
    let bytes: Uint8Array
    try {
      const { size } = statSync(file)
      if (size > MAX_FILE_BYTES) throw new InputError(`${file}: ${size} bytes, expected a tokenizer of at most ${MAX_FILE_BYTES}`)
      bytes = readFileSync(file)
    } catch (error) {
      if (error instanceof InputError) throw error
      throw new InputError(
        `${file}: cannot be read (${error instanceof Error ? error.message : error}); expected a SentencePiece .model file`,
      )
    }
    return Tokenizer.fromBytes(bytes, file)
  }

  /** The same from bytes already in memory; `name` appears in errors. */
  static fromBytes(bytes: Uint8Array, name = 'tokenizer.model'): Tokenizer {
    return new Tokenizer(parseSentencePieceModel(bytes, name), name)
  }

  private constructor(
    private readonly pieces: readonly Piece[],
    name: string,
    private readonly json?: JsonTokenizer,
  ) {
    this.size = pieces.length
    this.special = new Uint8Array(pieces.length)
    const scores = new Float64Array(pieces.length)
    const mergeable = new Map<string, number>()
    const frozen = new Map<number, string[]>()
    const byteIds = new Int32Array(256)
    let longest = 0
    let bytePieces = 0
    pieces.forEach((piece, id) => {
      this.ids.set(piece.text, id)
      scores[id] = piece.score
      this.surface.push(
        json
          ? (json.pieces[id]?.bytes ?? new Uint8Array(0))
          : piece.kind === 'byte'
            ? -1 - byteOf(piece.text, id, name)
            : piece.text.replaceAll(SPACE, ' '),
      )
      if (piece.kind === 'control' || piece.kind === 'unknown') this.special[id] = 1
      if (piece.kind === 'byte') {
        byteIds[byteOf(piece.text, id, name)] = id
        bytePieces++
      } else if (isControl(piece)) {
        this.controls.set(piece.text, id)
      } else if (piece.kind !== 'unused') {
        mergeable.set(piece.text, id)
        longest = Math.max(longest, piece.text.length)
        if (piece.kind === 'user') {
          const unit = piece.text.charCodeAt(0)
          frozen.set(unit, [...(frozen.get(unit) ?? []), piece.text])
        }
      }
    })
    for (const list of frozen.values()) list.sort((a, b) => b.length - a.length)
    this.unkId = pieces.findIndex((p) => p.kind === 'unknown')
    this.vocabulary = {
      ids: mergeable,
      scores,
      frozen,
      longest,
      bytes: bytePieces > 0 ? byteIds : undefined,
      unknown: this.unkId,
    }
    if (json) this.nameControls(json)
    const spellings = [...this.controls.keys()].sort((a, b) => b.length - a.length)
    this.controlPattern = new RegExp(spellings.map((s) => s.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('|'), 'g')
    const required = (text: string): number => {
      const id = this.controls.get(text)
      if (id === undefined)
        throw new InputError(
          `${name}: has no control piece ${text}; chats are laid out in ChatML, which needs it (or <|im_start|> and <|im_end|> in a tokenizer.json)`,
        )
      return id
    }
    this.bosId = required('<s>')
    this.eosId = required('</s>')
    this.padId = this.eosId
    this.beginOfTurnId = required(BEGIN_OF_TURN)
    this.endOfTurnId = required(END_OF_TURN)
  }

  /** The pieces that a tokenizer.json has in the places of ours. */
  private nameControls({ bos, eos }: JsonTokenizer): void {
    for (const [ours, theirs] of [
      ['<s>', bos],
      ['</s>', eos],
      [BEGIN_OF_TURN, '<|im_start|>'],
      [END_OF_TURN, '<|im_end|>'],
    ] as const) {
      const id = this.controls.get(ours) ?? this.controls.get(theirs)
      if (id !== undefined) this.controls.set(ours, id)
    }
  }

  /** The id of a piece as the file spells it (space is U+2581), or undefined. */
  idOf(piece: string): number | undefined {
    return this.ids.get(piece)
  }

  /** The piece of an id as the file spells it. @throws InputError when the id is out of range */
  pieceOf(id: number): string {
    return this.pieceAt(id).text
  }

  /** The bytes that an id puts into a text; undefined for special tokens and control pieces. @throws InputError when it is out of range */
  bytesOf(id: number): Uint8Array | undefined {
    const piece = this.pieceAt(id)
    if (this.special[id] || this.controls.get(piece.text) === id) return undefined
    const surface = this.surface[id] ?? ''
    if (typeof surface === 'object') return surface
    return typeof surface === 'number' ? Uint8Array.of(-1 - surface) : utf8.encode(surface)
  }

  /** Ids of `text`, without BOS. Lone surrogates count as U+FFFD. */
  encode(text: string, options: EncodeOptions = {}): number[] {
    return this.encodeRuns(options.literalControls ? this.splitControls(text) : [text])
  }

  /**
   * Ids of a mixture of control ids and plain text, as if it were one string: neighbouring texts merge across their seam,
   * because the model has no pre-tokenisation.
   */
  encodeRuns(runs: readonly (number | string)[]): number[] {
    const out: number[] = []
    let plain = ''
    const flush = (): void => {
      const text = plain.replace(/\p{Surrogate}/gu, '\ufffd')
      if (plain !== '' && this.json) for (const id of this.json.encode(text)) out.push(id)
      else if (plain !== '') encodeBpe(text.replaceAll(' ', SPACE), this.vocabulary, out)
      plain = ''
    }
    for (const run of runs) {
      if (typeof run === 'string') plain += run
      else {
        flush()
        this.pieceAt(run)
        out.push(run)
      }
    }
    flush()
    return out
  }

  /** Ids of a text that are a character each (or the bytes of one that the vocabulary lacks): no merges. */
  encodeCharacters(text: string): number[] {
    return [...text].flatMap((character) => this.encode(character))
  }

  /** Splits trusted text into control ids and plain text, as the reference does before tokenising. */
  splitControls(text: string): (number | string)[] {
    const runs: (number | string)[] = []
    let from = 0
    for (const match of text.matchAll(this.controlPattern)) {
      if (match.index > from) runs.push(text.slice(from, match.index))
      const id = this.controls.get(match[0])
      if (id !== undefined) runs.push(id)
      from = match.index + match[0].length
    }
    if (from < text.length) runs.push(text.slice(from))
    return runs
  }

  /** Text of `ids`. @throws InputError when an id is out of range */
  decode(ids: Iterable<number>, options: DecodeOptions = {}): string {
    const skipSpecial = options.skipSpecial ?? true
    let out = ''
    let chunk = ''
    let previousSpecial = false
    const run = new ByteRun()
    for (const id of ids) {
      const piece = this.pieceAt(id)
      if (!this.special[id]) {
        chunk += this.surfaceOf(id, run)
        previousSpecial = false
      } else if (!skipSpecial) {
        // The reference puts a space in front of the text *before* a run of special tokens.
        out += `${previousSpecial ? '' : ' '}${chunk}${run.flush()}${piece.text}`
        chunk = ''
        previousSpecial = true
      }
    }
    out += chunk + run.flush()
    return (options.cleanUp ?? this.json?.cleanUp ?? true) ? cleanUp(out) : out
  }

  /** A decoder for ids that arrive one by one; its pieces concatenate to `decode` of all ids with the same option. */
  stream(options: Pick<DecodeOptions, 'cleanUp'> = {}): TextStream {
    const run = new ByteRun()
    const clean =
      (options.cleanUp ?? this.json?.cleanUp ?? true) ? new CleanUpStream() : { push: (text: string) => text, end: () => '' }
    return {
      push: (id) => {
        this.pieceAt(id)
        return this.special[id] ? '' : clean.push(this.surfaceOf(id, run))
      },
      end: () => clean.push(run.flush()) + clean.end(),
    }
  }

  private surfaceOf(id: number, run: ByteRun): string {
    const surface = this.surface[id] ?? ''
    if (typeof surface === 'object') return [...surface].map((byte) => run.push(byte)).join('')
    return typeof surface === 'number' ? run.push(-1 - surface) : run.flush() + surface
  }

  private pieceAt(id: number): Piece {
    const piece = this.pieces[id]
    if (!piece) throw new InputError(`token id ${id} is out of range, expected a whole number from 0 to ${this.size - 1}`)
    return piece
  }
}

/** Turns ids into text as they arrive, holding back only incomplete characters and spaces that the clean-up may drop. */
export interface TextStream {
  push(id: number): string
  end(): string
}

function isControl(piece: Piece): boolean {
  return piece.kind === 'control' || piece.kind === 'unknown' || (piece.kind === 'user' && CONTROL_STYLE.test(piece.text))
}
