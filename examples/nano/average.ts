/**
 * The mean of a fine-tuned model's decoder and the decoder that it started from:
 * `node dist/examples/nano/average.js BEFORE TUNED SHARE OUT`, SHARE of the tuned one (0..1). Everything else is the tuned model's. Fine-tuning
 * teaches the decoder to read pictures and lets it forget words; half way between it still does the one and again knows the
 * other (as WiSE-FT does for classifiers, arXiv 2109.01903; figures in docs/log.md).
 */
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeSafetensors } from '../../src/checkpoint/safetensors.js'
import { InputError } from '../../src/common/errors.js'
import { makeFolders } from '../../src/common/folders.js'
import { openModel, readParameter } from '../../src/model/open-checkpoint.js'

function average(before: string, tuned: string, share: number, out: string): void {
  if (!(share >= 0 && share <= 1)) throw new InputError(`share: got ${share}, expected 0 to 1`)
  const [start, end] = [openModel(before), openModel(tuned)]
  const tensors = end.specs.map(({ name, shape, part }) => {
    const data = readParameter(end, name)
    if (part === 'decoder') {
      const first = readParameter(start, name)
      for (let i = 0; i < data.length; i++) data[i] = share * (data[i] as number) + (1 - share) * (first[i] as number)
    }
    return { name, shape, dtype: 'F32' as const, data }
  })
  makeFolders(out, 'OUT')
  writeSafetensors(join(out, 'model.safetensors'), tensors, { format: 'pt' })
  for (const file of ['config.json', 'tokenizer.model']) copyFileSync(join(tuned, file), join(out, file))
}

const [before, tuned, share, out] = process.argv.slice(2)
if (!before || !tuned || !share || !out) {
  console.error('usage: node dist/examples/nano/average.js BEFORE TUNED SHARE OUT')
  process.exit(2)
}
average(before, tuned, Number(share), out)
