/**
 * Reads a SentencePiece `.model` file: a protobuf of pieces, a trainer section and a normaliser section. It knows nothing
 * of tokenising. The file is hostile until checked: every length is compared with what is left before anything is read,
 * and a model whose text rules differ from ours (SPEC 7.1: BPE, identity normaliser, no dummy prefix) is refused.
 */
import { InputError } from '../common/errors.js'
import { isLfsPointer, LFS_ADVICE } from '../common/lfs-pointer.js'

export type PieceKind = 'normal' | 'unknown' | 'control' | 'user' | 'unused' | 'byte'

export interface Piece {
  readonly text: string
  readonly score: number
  readonly kind: PieceKind
}

const KINDS: readonly (PieceKind | undefined)[] = [undefined, 'normal', 'unknown', 'control', 'user', 'unused', 'byte']
const MAX_PIECES = 1_000_000
const MAX_PIECE_BYTES = 1024

/** One protobuf field: a number for the numeric wire types, the bytes of a length-delimited one. */
interface Field {
  readonly number: number
  readonly value: number | Uint8Array
  readonly wire: number
}

/**
 * Parses the bytes of a `.model` file into its pieces, in id order.
 * @param name what to call the file in errors
 * @throws InputError when the bytes are cut short, malformed, hold duplicates, or describe a model we do not reproduce
 */
export function parseSentencePieceModel(bytes: Uint8Array, name: string): Piece[] {
  if (isLfsPointer(bytes)) throw new InputError(`${name}: ${LFS_ADVICE}`)
  const raw: Uint8Array[] = []
  let modelType = 1
  let normaliser: Uint8Array | undefined
  for (const field of fields(bytes, name)) {
    if (field.number === 1) raw.push(asBytes(field, name))
    else if (field.number === 2) {
      for (const f of fields(asBytes(field, name), name)) if (f.number === 3) modelType = asNumber(f, name)
    } else if (field.number === 3) normaliser = asBytes(field, name)
  }
  if (raw.length === 0) throw new InputError(`${name}: holds no pieces; expected a SentencePiece .model file`)
  if (raw.length > MAX_PIECES) throw new InputError(`${name}: ${raw.length} pieces, expected at most ${MAX_PIECES}`)
  // Pieces come first in the file, so a file cut between two fields shows only in what is missing at the end.
  if (!normaliser) throw new InputError(`${name}: no normaliser section after ${raw.length} pieces; the file is cut short`)
  const pieces = raw.map((bytes, id) => parsePiece(bytes, id, name))
  checkDuplicates(pieces, name)
  if (modelType !== 2) throw new InputError(`${name}: model type ${modelType}, expected 2 (BPE); train it with --model_type=bpe`)
  checkNormaliser(normaliser, name)
  checkKinds(pieces, name)
  return pieces
}

function parsePiece(bytes: Uint8Array, id: number, name: string): Piece {
  let text: string | undefined
  let score = 0
  let kind: PieceKind | undefined = 'normal'
  for (const field of fields(bytes, name)) {
    if (field.number === 1) {
      const raw = asBytes(field, name)
      if (raw.length > MAX_PIECE_BYTES)
        throw new InputError(`${name}: piece ${id} has ${raw.length} bytes, at most ${MAX_PIECE_BYTES} expected`)
      try {
        text = utf8.decode(raw)
      } catch {
        throw new InputError(`${name}: piece ${id} is not valid UTF-8; the file is damaged`)
      }
    } else if (field.number === 2) score = asFloat(field, name)
    else if (field.number === 3) {
      const type = asNumber(field, name)
      kind = KINDS[type]
      if (!kind) throw new InputError(`${name}: piece ${id} has type ${type}, expected 1 to 6`)
    }
  }
  if (!text) throw new InputError(`${name}: piece ${id} is empty; the file is damaged`)
  if (!Number.isFinite(score)) throw new InputError(`${name}: piece ${id} has score ${score}, expected a finite number`)
  return { text, score, kind }
}

function checkDuplicates(pieces: readonly Piece[], name: string): void {
  const ids = new Map<string, number>()
  pieces.forEach((piece, id) => {
    const earlier = ids.get(piece.text)
    if (earlier !== undefined) {
      throw new InputError(`${name}: piece ${id} repeats piece ${earlier} ${JSON.stringify(piece.text)}; get the file again`)
    }
    ids.set(piece.text, id)
  })
}

function checkNormaliser(bytes: Uint8Array, name: string): void {
  let charsmap = 0
  const flags = new Map<number, number>([
    [3, 1],
    [4, 1],
    [5, 1],
  ])
  for (const field of fields(bytes, name)) {
    if (field.number === 2) charsmap = asBytes(field, name).length
    else if (flags.has(field.number)) flags.set(field.number, asNumber(field, name))
  }
  const remedy =
    'use a model trained with --normalization_rule_name=identity --add_dummy_prefix=false --remove_extra_whitespaces=false'
  if (charsmap > 0) throw new InputError(`${name}: the normaliser rewrites characters, expected identity; ${remedy}`)
  if (flags.get(3) !== 0) throw new InputError(`${name}: add_dummy_prefix is on, expected off; ${remedy}`)
  if (flags.get(4) !== 0) throw new InputError(`${name}: remove_extra_whitespaces is on, expected off; ${remedy}`)
  if (flags.get(5) === 0) throw new InputError(`${name}: escape_whitespaces is off, expected on; ${remedy}`)
}

function checkKinds(pieces: readonly Piece[], name: string): void {
  const unknown = pieces.filter((p) => p.kind === 'unknown').length
  if (unknown !== 1) throw new InputError(`${name}: ${unknown} unknown pieces, expected exactly 1`)
  const seen = new Set<number>()
  pieces.forEach((piece, id) => {
    if (piece.kind === 'byte') seen.add(byteOf(piece.text, id, name))
  })
  if (seen.size !== 0 && seen.size !== 256) throw new InputError(`${name}: ${seen.size} of 256 byte pieces; the file is damaged`)
}

/** The byte that a piece like `<0x0A>` stands for. */
export function byteOf(text: string, id: number, name: string): number {
  const hex = /^<0x([0-9A-F]{2})>$/.exec(text)?.[1]
  if (hex === undefined) throw new InputError(`${name}: byte piece ${id} is ${JSON.stringify(text)}, expected the form <0x0A>`)
  return Number.parseInt(hex, 16)
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function* fields(bytes: Uint8Array, name: string): Generator<Field> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  const cut = (): InputError => new InputError(`${name}: ends inside a field; the file is cut short or is no SentencePiece model`)
  const varint = (): number => {
    let value = 0
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = bytes[at++]
      if (byte === undefined) throw cut()
      // Multiplication, not <<: values above 2^31 must stay positive so that the length check below catches them.
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
    throw new InputError(`${name}: a number at byte ${at} never ends; this is no SentencePiece model`)
  }
  while (at < bytes.length) {
    const key = varint()
    const wire = key % 8
    const number = Math.floor(key / 8)
    if (number < 1 || number > 0x1fffffff)
      throw new InputError(`${name}: field number ${number} at byte ${at}; this is no SentencePiece model`)
    if (wire === 0) {
      yield { number, wire, value: varint() }
    } else if (wire === 1 || wire === 5) {
      const size = wire === 1 ? 8 : 4
      if (at + size > bytes.length) throw cut()
      yield { number, wire, value: wire === 1 ? view.getFloat64(at, true) : view.getFloat32(at, true) }
      at += size
    } else if (wire === 2) {
      const length = varint()
      if (length > bytes.length - at) throw cut()
      yield { number, wire, value: bytes.subarray(at, at + length) }
      at += length
    } else {
      throw new InputError(`${name}: wire type ${wire} at byte ${at}; this is no SentencePiece model`)
    }
  }
}

function asBytes(field: Field, name: string): Uint8Array {
  if (typeof field.value === 'number') throw new InputError(`${name}: field ${field.number} is a number, expected bytes`)
  return field.value
}

function asNumber(field: Field, name: string): number {
  if (field.wire !== 0 || typeof field.value !== 'number')
    throw new InputError(`${name}: field ${field.number} is no whole number`)
  return field.value
}

function asFloat(field: Field, name: string): number {
  if (field.wire !== 5 || typeof field.value !== 'number')
    throw new InputError(`${name}: field ${field.number} is no 32-bit float`)
  return field.value
}
