/**
 * A `pytorch_model*.bin` as torch.save writes it: a zip of one pickle and one entry a storage. Gives every tensor its place in
 * the file, checked; no tensor is read and nothing is run.
 */
import { InputError } from '../common/errors.js'
import { describe } from '../common/json.js'
import { BYTES, readBytes, sizeOf, type TensorEntry } from './tensors.js'
import { type PickledTensor, readStateDict } from './torch-pickle.js'
import { isZip, openStoredZip, type ZipEntry } from './torch-zip.js'

const MAX_PICKLE = 100_000_000

/**
 * The tensors of a file by name.
 * @throws InputError naming file, tensor, expected and got: no torch zip, a pickle that asks for anything but tensors, storages
 * missing or of another size than they claim, tensors that reach outside of their storage, big-endian files
 */
export function openTorchFile(file: string): Map<string, TensorEntry> {
  if (!isZip(file)) throw new InputError(`${file}: no zip archive; expected a file written by torch.save of torch 1.6 or later`)
  const entries = openStoredZip(file)
  const pickle = [...entries].find(([name]) => /^[^/]+\/data\.pkl$/.test(name))
  if (!pickle) throw new InputError(`${file}: no data.pkl in the archive; not a torch file`)
  const [name, { offset, size }] = pickle
  if (size > MAX_PICKLE) throw new InputError(`${file}: ${name} has ${size} bytes, expected at most ${MAX_PICKLE}`)
  const folder = name.slice(0, name.indexOf('/') + 1)
  const order = entries.get(`${folder}byteorder`)
  if (order && new TextDecoder().decode(readBytes(file, order.offset, Math.min(order.size, 16))) !== 'little') {
    throw new InputError(`${file}: byteorder is not "little"; save it again on a little-endian machine`)
  }
  const tensors = readStateDict(readBytes(file, offset, size), file)
  if (tensors.size === 0) throw new InputError(`${file}: holds no tensors; download or save it again`)
  return new Map(
    [...tensors].map(([tensor, description]) => [
      tensor,
      place(file, tensor, description, entries.get(`${folder}data/${description.storage}`)),
    ]),
  )
}

function place(file: string, name: string, tensor: PickledTensor, stored: ZipEntry | undefined): TensorEntry {
  const where = `${file}: tensor ${describe(name)}`
  const { dtype, shape, strides, storageElements } = tensor
  if (!stored) throw new InputError(`${where}: its storage ${describe(tensor.storage)} is not in the archive`)
  if (stored.size !== storageElements * BYTES[dtype]) {
    throw new InputError(`${where}: a storage of ${storageElements} ${dtype}, but the archive holds ${stored.size} bytes of it`)
  }
  const byteLength = sizeOf(where, dtype, shape)
  const last = shape.reduce((sum, n, axis) => sum + (n - 1) * (strides[axis] as number), 0)
  if (byteLength > 0 && tensor.offset + last >= storageElements) {
    throw new InputError(`${where}: reaches element ${tensor.offset + last}, but its storage has ${storageElements}`)
  }
  // Strides of zero would make a small file claim an endless tensor.
  if (byteLength > stored.size) throw new InputError(`${where}: ${byteLength} bytes of values from a storage of ${stored.size}`)
  const offset = stored.offset + tensor.offset * BYTES[dtype]
  const entry = { name, dtype, shape, file, offset, byteLength }
  return isContiguous(shape, strides) ? entry : { ...entry, strides }
}

function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let step = 1
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const n = shape[axis] as number
    if (n !== 1 && strides[axis] !== step) return false
    step *= n
  }
  return true
}
