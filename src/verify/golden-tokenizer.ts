/** The official vocabulary for golden folders that need it: in the folder itself, or in the tokenizer folder beside it. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { InputError } from '../common/errors.js'
import { Tokenizer } from '../text/tokenizer.js'

/** @throws InputError when neither place has a tokenizer.model */
export function goldenTokenizer(dir: string): Tokenizer {
  const beside = [join(dir, 'tokenizer.model'), join(dir, '../tokenizer/tokenizer.model')]
  const file = beside.find((path) => existsSync(path))
  if (!file) throw new InputError(`${dir}: needs the tokenizer golden folder beside it; expected ${beside[1]}`)
  return Tokenizer.load(file)
}
