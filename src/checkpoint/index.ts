/** `xcomposer/checkpoint`: model directories, safetensors and torch files, read and written; models of the Hugging Face hub. */

export { type PullOptions, type PullProgress, pull } from './hub.js'
export { type HubModel, parseModelName, pulledModel } from './hub-cache.js'
export { type ModelDirectory, openModelDirectory } from './model-directory.js'
export {
  openSafetensors,
  type SafetensorsFile,
  streamSafetensors,
  type TensorToStream,
  type TensorToWrite,
  writeSafetensors,
} from './safetensors.js'
export { type Dtype, readRaw, readRows, readTensor, type TensorEntry } from './tensors.js'
export { openTorchFile } from './torch-file.js'
