/**
 * ONNX Runtime's C API through koffi: finds the shared library inside the onnxruntime-node package, reads the table of
 * function pointers and gives each one that we use a typed name. The table is append-only, so the positions below hold
 * for every later version. Nothing outside engine/ imports this file.
 */
import { existsSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import koffi from 'koffi'
import { XComposerError } from '../../common/errors.js'
import { EngineError } from '../graph/errors.js'

/** An opaque native pointer (an address; 0n or null is none). */
export type Pointer = bigint | null

/** Positions in struct OrtApi (onnxruntime_c_api.h) with C signatures; `Status` is a nullable OrtStatus pointer. */
const signatures = {
  GetErrorCode: [1, 'int', ['void *']],
  GetErrorMessage: [2, 'const char *', ['void *']],
  CreateEnv: [3, 'void *', ['int', 'const char *', '_Out_ void **']],
  CreateSessionFromArray: [8, 'void *', ['void *', 'void *', 'size_t', 'void *', '_Out_ void **']],
  CreateSessionOptions: [10, 'void *', ['_Out_ void **']],
  SetSessionExecutionMode: [13, 'void *', ['void *', 'int']],
  EnableProfiling: [14, 'void *', ['void *', 'const char *']],
  DisableMemPattern: [17, 'void *', ['void *']],
  DisableCpuMemArena: [19, 'void *', ['void *']],
  SetSessionGraphOptimizationLevel: [23, 'void *', ['void *', 'int']],
  SetIntraOpNumThreads: [24, 'void *', ['void *', 'int']],
  CreateRunOptions: [39, 'void *', ['_Out_ void **']],
  CreateTensorWithDataAsOrtValue: [49, 'void *', ['void *', 'void *', 'size_t', 'int64_t *', 'size_t', 'int', '_Out_ void **']],
  GetTensorMutableData: [51, 'void *', ['void *', '_Out_ void **']],
  GetDimensionsCount: [61, 'void *', ['void *', '_Out_ size_t *']],
  GetDimensions: [62, 'void *', ['void *', '_Out_ int64_t *', 'size_t']],
  GetTensorTypeAndShape: [65, 'void *', ['void *', '_Out_ void **']],
  CreateCpuMemoryInfo: [69, 'void *', ['int', 'int', '_Out_ void **']],
  ReleaseStatus: [93, 'void', ['void *']],
  ReleaseSession: [95, 'void', ['void *']],
  ReleaseValue: [96, 'void', ['void *']],
  ReleaseTensorTypeAndShapeInfo: [99, 'void', ['void *']],
  ReleaseSessionOptions: [100, 'void', ['void *']],
  AddSessionConfigEntry: [130, 'void *', ['void *', 'const char *', 'const char *']],
  RunWithBinding: [133, 'void *', ['void *', 'void *', 'void *']],
  CreateIoBinding: [134, 'void *', ['void *', '_Out_ void **']],
  ReleaseIoBinding: [135, 'void', ['void *']],
  BindInput: [136, 'void *', ['void *', 'const char *', 'void *']],
  BindOutput: [137, 'void *', ['void *', 'const char *', 'void *']],
  AddInitializer: [150, 'void *', ['void *', 'const char *', 'void *']],
  AddRunConfigEntry: [165, 'void *', ['void *', 'const char *', 'const char *']],
  CreatePrepackedWeightsContainer: [166, 'void *', ['_Out_ void **']],
  ReleasePrepackedWeightsContainer: [167, 'void', ['void *']],
  CreateSessionFromArrayWithPrepackedWeightsContainer: [
    169,
    'void *',
    ['void *', 'void *', 'size_t', 'void *', 'void *', '_Out_ void **'],
  ],
  SessionOptionsAppendExecutionProvider: [216, 'void *', ['void *', 'const char *', 'const char **', 'const char **', 'size_t']],
} as const

type Name = keyof typeof signatures
type Native = ((...args: unknown[]) => unknown) & { async: (...args: unknown[]) => void }

/** The loaded library: `call` checks the returned status, `release` is for functions that return nothing. */
export interface Ort {
  readonly version: string
  readonly env: Pointer
  readonly cpuMemory: Pointer
  call(name: Name, ...args: unknown[]): void
  callAsync(name: Name, ...args: unknown[]): Promise<void>
  release(name: Name, handle: Pointer): void
  /** Kept referenced for the life of the process: a collected library is unloaded and the next call crashes. */
  readonly library: unknown
}

let loaded: Ort | undefined

/** Path of the shared library for this platform inside the onnxruntime-node package. */
export function libraryPath(): string {
  const root = dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'))
  const base = join(root, 'bin', 'napi-v6', process.platform, process.arch)
  const wanted = /^(libonnxruntime\.so\.\d+|libonnxruntime\.\d+\.dylib|onnxruntime\.dll)$/
  const name = existsSync(base) ? readdirSync(base).find((f) => wanted.test(f)) : undefined
  if (!name) throw new XComposerError(`no ONNX Runtime library for ${process.platform}-${process.arch} in ${base}: run npm ci`)
  return join(base, name)
}

/** The engine's library, loaded at first use. */
export function ort(): Ort {
  loaded ??= load()
  return loaded
}

/** Unwraps an `_Out_` parameter. */
export function out(): [Pointer] {
  return [null]
}

function load(): Ort {
  // Its telemetry client (on by default in this build) writes to the home folder, and overflows the stack on long command lines.
  process.env.ORT_DISABLE_TELEMETRY = '1'
  const library = koffi.load(libraryPath())
  const base = library.func('void *OrtGetApiBase()')() as Pointer
  const [getApi, getVersion] = koffi.decode(base, 'void *', 2) as [Pointer, Pointer]
  const api = koffi.call(getApi, koffi.proto('void *OrtGetApi(uint32_t version)'), 18) as Pointer
  const version = koffi.call(getVersion, koffi.proto('const char *OrtGetVersion()')) as string
  const table = koffi.decode(api, 'void *', 217) as Pointer[]
  const functions = new Map<Name, Native>()
  for (const [name, [position, result, parameters]] of Object.entries(signatures)) {
    const prototype = koffi.proto(`${result} Ort${name}(${parameters.join(', ')})`)
    functions.set(name as Name, koffi.decode(table[position], prototype) as Native)
  }
  const native = (name: Name) => functions.get(name) as Native
  const check = (name: Name, status: unknown) => {
    if (!status) return
    const code = native('GetErrorCode')(status) as number
    const message = native('GetErrorMessage')(status) as string
    native('ReleaseStatus')(status)
    throw new EngineError(name, code, message)
  }
  const call = (name: Name, ...args: unknown[]) => check(name, native(name)(...args))
  const callAsync = (name: Name, ...args: unknown[]) =>
    new Promise<void>((resolve, reject) => {
      native(name).async(...args, (error: Error | null, status: unknown) => {
        if (error) return reject(error)
        try {
          check(name, status)
          resolve()
        } catch (e) {
          reject(e)
        }
      })
    })
  const env = out()
  call('CreateEnv', 3, 'xcomposer', env)
  const memory = out()
  call('CreateCpuMemoryInfo', 0, 0, memory)
  return {
    version,
    env: env[0],
    cpuMemory: memory[0],
    call,
    callAsync,
    release: (name, handle) => void native(name)(handle),
    library,
  }
}
