/** Checks a file to be written before the work that fills it: a wrong path is said in a second, not after minutes. */
import { statSync } from 'node:fs'
import { dirname } from 'node:path'
import { InputError } from '../common/errors.js'

/** @throws InputError naming the option when the folder is missing or the file is one */
export function checkOutputFile(option: string, file: string): void {
  if (!statSync(dirname(file), { throwIfNoEntry: false })?.isDirectory()) {
    throw new InputError(`${option}: no folder "${dirname(file)}" for ${file}; make it first`)
  }
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory())
    throw new InputError(`${option}: ${file} is a folder, expected a file`)
}
