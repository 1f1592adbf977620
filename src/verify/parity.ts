/**
 * Where a model parts from reference dumps: the first tensor, in the order of the data's way, and in it the first position that differs. For
 * people who port or fine-tune a checkpoint and want to know where to look. A dump is a folder in the format of goldens/vlm.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { InputError } from '../common/errors.js'
import { DecoderRuntime } from '../inference/decoder-runtime.js'
import { VisionRuntime } from '../inference/vision-runtime.js'
import { openModel } from '../model/open-checkpoint.js'
import { type GoldenTensors, goldenTensors } from './compare.js'
import { segmentRows } from './segments.js'

const ids = z.array(z.int().min(0))
const Case = z.object({
  case: z.union([z.number(), z.string()]),
  segments: z.array(
    z.discriminatedUnion('type', [
      z.object({ type: z.literal('text'), ids }),
      z.object({ type: z.literal('image'), image: z.int().min(0) }),
    ]),
  ),
})

/** One case: where it parts from the reference, or that it does not. */
export interface Parity {
  readonly name: string
  /** Tensors compared, up to and with the first that differs. */
  readonly compared: number
  /** Largest error of all tensors that agree. */
  readonly largestError: number
  readonly parting?: {
    readonly tensor: string
    /** Row of the tensor: a position of the prompt, or of the image. */
    readonly position: number
    readonly what: 'text' | 'image'
    readonly error: number
  }
}

/**
 * Compares a model with every case of a dump.
 * @param tolerance a difference is allowed up to tolerance x (1 + |reference|)
 * @throws InputError when the dump is not in the format, or of another model's sizes
 */
export async function* parity(modelDir: string, reference: string, tolerance: number): AsyncGenerator<Parity> {
  const cases = readCases(join(reference, 'cases.json'))
  const golden = goldenTensors(join(reference, 'cases.safetensors'))
  const model = new DecoderRuntime(openModel(modelDir))
  const vision = model.config.vision ? new VisionRuntime(model.config, model.store, model.sessionOptions) : undefined
  try {
    for (const c of cases) yield await compareCase(c, golden, model, vision, tolerance)
  } finally {
    vision?.dispose()
    model.dispose()
  }
}

function readCases(file: string): z.infer<typeof Case>[] {
  let json: unknown
  try {
    json = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new InputError(`${file}: ${error instanceof Error ? error.message : 'cannot be read'}`)
  }
  const parsed = z.array(Case).min(1).safeParse(json)
  if (!parsed.success) throw new InputError(`${file}: expected a list of cases with segments, as in goldens/vlm`)
  return parsed.data
}

async function compareCase(
  c: z.infer<typeof Case>,
  golden: GoldenTensors,
  model: DecoderRuntime,
  vision: VisionRuntime | undefined,
  tolerance: number,
): Promise<Parity> {
  const name = `case${c.case}`
  const width = model.config.decoder.hiddenSize
  let compared = 0
  let largestError = 0
  /** The result, once this tensor differs. */
  const check = (tensor: string, got: Float32Array, rowWidth: number, isImage: (row: number) => boolean): Parity | undefined => {
    const full = `${name}.${tensor}`
    if (!golden.has(full)) return undefined
    const wanted = golden.floats(full)
    if (wanted.length !== got.length) {
      throw new InputError(
        `${full}: ${wanted.length} values in the reference, ${got.length} from this model; is it the same model?`,
      )
    }
    compared++
    for (let i = 0; i < got.length; i++) {
      const [a, b] = [got[i] as number, wanted[i] as number]
      const error = Math.abs(a - b)
      if (error <= tolerance * (1 + Math.abs(b))) {
        largestError = Math.max(largestError, error)
        continue
      }
      const position = Math.floor(i / rowWidth)
      const what = isImage(position) ? 'image' : 'text'
      return { name, compared, largestError, parting: { tensor, position, what, error } }
    }
    return undefined
  }
  const images = golden.has(`${name}.pixel_values`) ? (golden.shape(`${name}.pixel_values`)[0] as number) : 0
  if (images > 0 && !vision) throw new InputError(`${name}: has pictures, but the model has no vision tower`)
  const projected = images > 0 ? await vision?.encode(golden.floats(`${name}.pixel_values`), images) : undefined
  const rows = projected ?? new Float32Array(0)
  const parting = check('projected', rows, width, () => true)
  if (parting) return parting
  const prompt = segmentRows(model, c.segments, rows, images)
  const columns = new Set(prompt.imageColumns)
  const isImage = (position: number): boolean => columns.has(position)
  const embedded = check('inputs_embeds', prompt.rows, width, isImage)
  if (embedded) return embedded
  const sequence = model.sequence()
  try {
    const { tokens, imageColumns } = prompt
    const logitColumns = Array.from({ length: tokens }, (_, i) => i)
    const pass = await model.sessions.run(
      { embeddings: prompt.rows, tokens, imageColumns, logitColumns, hidden: true },
      sequence.cache,
    )
    for (const [layer, state] of pass.hidden.entries()) {
      const found = check(`hidden_states.${layer}`, state, width, isImage)
      if (found) return found
    }
    const logits = check('logits', pass.logits, model.config.decoder.vocabularySize, isImage)
    if (logits) return logits
  } finally {
    sequence.dispose()
  }
  if (compared === 0) throw new InputError(`${name}: no tensors of it in cases.safetensors`)
  return { name, compared, largestError }
}
