/**
 * Writes a decoder's shape as a GGUF file in q4_0, for llama.cpp to run beside us. The format is little-endian: a header of
 * typed keys, a list of tensors with offsets, then their data, each aligned to 32 bytes. q4_0 is a row of blocks of 32 values: a half-precision
 * scale, then 16 bytes with value i in the low and value i + 16 in the high half, all values plus 8.
 */

import { narrowF16 } from '../src/checkpoint/half.js'
import { writeAll, writeFileAtomically } from '../src/common/atomic.js'
import type { DecoderConfig } from '../src/model/config.js'

const BLOCK = 32
const BLOCK_BYTES = 2 + BLOCK / 2
const ALIGNMENT = 32
const type = { u32: 4, i32: 5, f32: 6, text: 8, array: 9 } as const
const tensorType = { f32: 0, q4_0: 2 } as const

/** Bits that q4_0 spends on a weight. */
export const Q4_0_BITS = (8 * BLOCK_BYTES) / BLOCK

/** Rounds a whole number of blocks to q4_0: the largest magnitude becomes -8, the scale is rounded to half precision. */
export function quantizeQ4(weight: Float32Array): Uint8Array {
  const blocks = weight.length / BLOCK
  const out = new Uint8Array(blocks * BLOCK_BYTES)
  const scales = new Float32Array(blocks)
  for (let b = 0; b < blocks; b++) {
    let extreme = 0
    for (let i = b * BLOCK; i < (b + 1) * BLOCK; i++) {
      const w = weight[i] as number
      if (Math.abs(w) > Math.abs(extreme)) extreme = w
    }
    scales[b] = extreme / -8
    const inverse = extreme === 0 ? 0 : -8 / extreme
    const q = (i: number): number => Math.min(15, Math.trunc((weight[b * BLOCK + i] as number) * inverse + 8.5))
    for (let i = 0; i < BLOCK / 2; i++) out[b * BLOCK_BYTES + 2 + i] = q(i) | (q(i + BLOCK / 2) << 4)
  }
  const halves = new Uint8Array(narrowF16(scales).buffer)
  for (let b = 0; b < blocks; b++) out.set(halves.subarray(2 * b, 2 * b + 2), b * BLOCK_BYTES)
  return out
}

/** The values that quantizeQ4 stored. */
export function dequantizeQ4(bytes: Uint8Array): Float32Array {
  const blocks = bytes.length / BLOCK_BYTES
  const out = new Float32Array(blocks * BLOCK)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let b = 0; b < blocks; b++) {
    const scale = halfValue(view.getUint16(b * BLOCK_BYTES, true))
    for (let i = 0; i < BLOCK / 2; i++) {
      const byte = bytes[b * BLOCK_BYTES + 2 + i] as number
      out[b * BLOCK + i] = ((byte & 15) - 8) * scale
      out[b * BLOCK + i + BLOCK / 2] = ((byte >> 4) - 8) * scale
    }
  }
  return out
}

function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const fraction = bits & 0x3ff
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15))
}

/** A decoder as llama.cpp's `internlm2`, with a vocabulary that says nothing: speed needs none. @param values numbers to fill the matrices with */
export function writeGguf(file: string, c: DecoderConfig, values: Float32Array): void {
  const prefix = 'internlm2'
  const header = new Bytes()
  const keys: [string, 'u32' | 'f32' | 'text', number | string][] = [
    ['general.architecture', 'text', prefix],
    ['general.quantization_version', 'u32', 2],
    ['general.file_type', 'u32', 2],
    ['tokenizer.ggml.model', 'text', 'llama'],
    [`${prefix}.vocab_size`, 'u32', c.vocabularySize],
    [`${prefix}.context_length`, 'u32', c.maxPositions],
    [`${prefix}.embedding_length`, 'u32', c.hiddenSize],
    [`${prefix}.block_count`, 'u32', c.layers],
    [`${prefix}.feed_forward_length`, 'u32', c.intermediateSize],
    [`${prefix}.attention.head_count`, 'u32', c.heads],
    [`${prefix}.attention.head_count_kv`, 'u32', c.kvHeads],
    [`${prefix}.attention.layer_norm_rms_epsilon`, 'f32', c.normEpsilon],
    [`${prefix}.rope.freq_base`, 'f32', c.ropeTheta],
  ]
  const tensors = decoderTensors(c)
  header
    .raw(new TextEncoder().encode('GGUF'))
    .u32(3)
    .u64(tensors.length)
    .u64(keys.length + 3)
  for (const [key, kind, value] of keys) {
    header.text(key).u32(type[kind])
    if (kind === 'text') header.text(String(value))
    else if (kind === 'u32') header.u32(Number(value))
    else header.f32(Number(value))
  }
  writeVocabulary(header, c.vocabularySize)
  let offset = 0
  for (const { name, shape } of tensors) {
    header.text(name).u32(shape.length)
    for (const size of [...shape].reverse()) header.u64(size)
    header.u32(shape.length === 1 ? tensorType.f32 : tensorType.q4_0).u64(offset)
    offset = aligned(offset + byteLength(shape))
  }
  const blocks = quantizeQ4(values)
  writeFileAtomically(file, (fd) => {
    const head = header.bytes()
    const write = (bytes: Uint8Array) => {
      writeAll(fd, bytes)
      writeAll(fd, new Uint8Array(aligned(bytes.length) - bytes.length))
    }
    write(head)
    for (const { shape } of tensors) {
      if (shape.length === 1) write(new Uint8Array(new Float32Array(shape[0] ?? 0).fill(1).buffer))
      else write(repeated(blocks, byteLength(shape)))
    }
  })
}

/** Three keys: a piece for each id (the unknown, beginning and end of text, all bytes, then anything), their scores and their kinds. */
function writeVocabulary(header: Bytes, size: number): void {
  const ids = Array.from({ length: size }, (_, id) => id)
  const kinds = { normal: 1, unknown: 2, control: 3, byte: 6 }
  const special = ['<unk>', '<s>', '</s>']
  const byte = (id: number) => `<0x${(id - special.length).toString(16).toUpperCase().padStart(2, '0')}>`
  const isByte = (id: number) => id >= special.length && id < special.length + 256
  const array = (key: string, of: number): Bytes => header.text(key).u32(type.array).u32(of).u64(size)
  array('tokenizer.ggml.tokens', type.text)
  for (const id of ids) header.text(special[id] ?? (isByte(id) ? byte(id) : `piece${id}`))
  array('tokenizer.ggml.scores', type.f32).raw(new Uint8Array(new Float32Array(size).buffer))
  const kindOf = (id: number) => (id === 0 ? kinds.unknown : id < 3 ? kinds.control : isByte(id) ? kinds.byte : kinds.normal)
  array('tokenizer.ggml.token_type', type.i32).raw(new Uint8Array(Int32Array.from(ids, kindOf).buffer))
}

function decoderTensors(c: DecoderConfig): { name: string; shape: number[] }[] {
  const { hiddenSize: h, intermediateSize: f, vocabularySize: v } = c
  const kv = c.kvHeads * c.headDim
  const layer = (i: number) => [
    { name: `blk.${i}.attn_norm.weight`, shape: [h] },
    { name: `blk.${i}.attn_q.weight`, shape: [h, h] },
    { name: `blk.${i}.attn_k.weight`, shape: [kv, h] },
    { name: `blk.${i}.attn_v.weight`, shape: [kv, h] },
    { name: `blk.${i}.attn_output.weight`, shape: [h, h] },
    { name: `blk.${i}.ffn_norm.weight`, shape: [h] },
    { name: `blk.${i}.ffn_gate.weight`, shape: [f, h] },
    { name: `blk.${i}.ffn_up.weight`, shape: [f, h] },
    { name: `blk.${i}.ffn_down.weight`, shape: [h, f] },
  ]
  return [
    { name: 'token_embd.weight', shape: [v, h] },
    ...Array.from({ length: c.layers }, (_, i) => layer(i)).flat(),
    { name: 'output_norm.weight', shape: [h] },
    { name: 'output.weight', shape: [v, h] },
  ]
}

function byteLength(shape: readonly number[]): number {
  const elements = shape.reduce((a, b) => a * b, 1)
  return shape.length === 1 ? 4 * elements : (elements / BLOCK) * BLOCK_BYTES
}

function aligned(size: number): number {
  return Math.ceil(size / ALIGNMENT) * ALIGNMENT
}

function repeated(bytes: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length)
  for (let at = 0; at < length; at += bytes.length) out.set(bytes.subarray(0, Math.min(bytes.length, length - at)), at)
  return out
}

/** A growing little-endian buffer. */
class Bytes {
  private readonly parts: Uint8Array[] = []

  raw(bytes: Uint8Array): this {
    this.parts.push(bytes)
    return this
  }

  u32(value: number): this {
    return this.raw(new Uint8Array(Uint32Array.of(value).buffer))
  }

  u64(value: number): this {
    return this.raw(new Uint8Array(BigUint64Array.of(BigInt(value)).buffer))
  }

  f32(value: number): this {
    return this.raw(new Uint8Array(Float32Array.of(value).buffer))
  }

  text(value: string): this {
    const bytes = new TextEncoder().encode(value)
    return this.u64(bytes.length).raw(bytes)
  }

  bytes(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.parts))
  }
}
