/**
 * What people name as a model that cannot be read as one: files, archives, adapters, other quantisations and architectures, folders
 * of a download. A table from what is seen to one line that says what it is and what to do. Nothing large is read: names, the first
 * bytes of a file, config.json. It does not check a model that can be read; that is model-directory.ts and the network's own checks.
 */
import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { InputError } from '../common/errors.js'
import { describe, isRecord } from '../common/json.js'
import { isLfsPointer, LFS_ADVICE, LONGEST_POINTER } from '../common/lfs-pointer.js'

/** Networks that are read, by `architectures` and, where a configuration has none, by `model_type`. */
const ARCHITECTURES: readonly string[] = ['InternLMXComposer2ForCausalLM', 'InternLM2ForCausalLM', 'LlamaForCausalLM']
const MODEL_TYPES: readonly string[] = ['internlm2', 'internlmxcomposer2', 'llama']

const LARGEST_CONFIG = 10_000_000
const MOST_NAMED = 3
/** Files that belong to a model and are read. */
const PART = /^(.*\.json|tokenizer\.model|.*\.safetensors|.*\.bin)$/
/** Files that hold weights as model-directory.ts opens them. */
const WEIGHTS = /^(model\.safetensors|pytorch_model\.bin)(\.index\.json)?$/
const SHARD = /^(model|pytorch_model)-(\d{5})-of-(\d{5})\.(safetensors|bin)$/

/** A folder as the table sees it. */
interface Folder {
  readonly dir: string
  readonly files: readonly string[]
  readonly folders: readonly string[]
  readonly hasWeights: boolean
  /** config.json where it is there and an object. */
  readonly config: Readonly<Record<string, unknown>> | undefined
}

/** A file as the table sees it. */
interface File {
  readonly path: string
  /** Its first bytes, as many as tell formats apart. */
  readonly head: Buffer
}

/** Each tells what it is, without the path in front, or nothing. The first that answers is right. */
type Refusal<T> = (seen: T) => string | undefined

const FILE_HEAD = 512
const startsWith = (head: Buffer, ...bytes: number[]) => bytes.every((byte, i) => head[i] === byte)

const fileRefusals: readonly Refusal<File>[] = [
  ({ head }) => (isLfsPointer(head.subarray(0, LONGEST_POINTER)) ? LFS_ADVICE : undefined),
  ({ head }) => (head.toString('latin1', 0, 4) === 'GGUF' ? GGUF : undefined),
  ({ path }) => (/\.onnx(_data)?$/i.test(path) ? ONNX : undefined),
  ({ path }) => {
    if (!/(\.(safetensors|bin|pth?|ckpt|json)|tokenizer\.model)$/i.test(path)) return undefined
    return `one file, expected the folder of a model with config.json, weights and tokenizer.model; name ${dirname(path)}`
  },
  ({ path, head }) => {
    const archive =
      startsWith(head, 0x50, 0x4b, 3, 4) ||
      startsWith(head, 0x1f, 0x8b) ||
      startsWith(head, 0x28, 0xb5, 0x2f, 0xfd) ||
      startsWith(head, 0x37, 0x7a, 0xbc, 0xaf) ||
      startsWith(head, 0xfd, 0x37, 0x7a, 0x58) ||
      head.toString('latin1', 257, 262) === 'ustar' ||
      /\.(zip|tar|tgz|gz|7z|zst|xz)$/i.test(path)
    return archive ? 'an archive; unpack it and name the folder' : undefined
  },
]

const GGUF =
  "weights in llama.cpp's GGUF format, which is not read; take the model's safetensors (or pytorch_model.bin) and store them in 4 or 8 bits with xcomposer quantize"
const ONNX = 'an ONNX graph, which is not read; take the checkpoint it was exported from'

const folderRefusals: readonly Refusal<Folder>[] = [
  lfsPointers,
  ({ files, folders }) => (files.length + folders.length === 0 ? 'an empty folder, expected a model in it' : undefined),
  adapter,
  hubCache,
  ({ config }) => (config ? quantizedOtherwise(config) : undefined),
  ({ files }) => {
    const found = files.find((name) => /^(quantize_config|quant_config)\.json$|^gptq_model/.test(name))
    return found === undefined ? undefined : storedBy(found.startsWith('quant_') ? 'AWQ' : 'GPTQ', found)
  },
  ({ config }) => (config ? otherArchitecture(config) : undefined),
  (seen) => (seen.hasWeights ? undefined : otherWeights(seen)),
  (seen) => (seen.config ? undefined : levelTooHigh(seen)),
]

function lfsPointers({ dir, files }: Folder): string | undefined {
  const pointers = files.filter((name) => PART.test(name) && isPointerFile(join(dir, name)))
  if (pointers.length === 0) return undefined
  const what =
    pointers.length === 1 ? 'is a Git LFS pointer, not the file itself' : 'are Git LFS pointers, not the files themselves'
  return `${some(pointers)} ${what}; run "git lfs install" and "git lfs pull" in the folder, or download it with xcomposer pull ORG/NAME`
}

function isPointerFile(file: string): boolean {
  const stat = statSync(file, { throwIfNoEntry: false })
  return stat?.isFile() === true && stat.size <= LONGEST_POINTER && isLfsPointer(readFileSync(file))
}

function adapter({ dir, files, hasWeights }: Folder): string | undefined {
  if (!files.includes('adapter_config.json') || hasWeights) return undefined
  const { peft_type: type, base_model_name_or_path: base } = readObject(join(dir, 'adapter_config.json')) ?? {}
  const kind = typeof type === 'string' && type !== 'LORA' ? `PEFT adapter (${describe(type)})` : 'LoRA adapter'
  const of = typeof base === 'string' && base !== '' ? ` for ${describe(base)}` : ''
  return `a ${kind}${of}, not a whole model; merge it into its base model (peft: merge_and_unload, then save_pretrained) and name the merged folder`
}

/** models--ORG--NAME of the hub's cache, or the folder of all of them. */
function hubCache({ dir, folders }: Folder): string | undefined {
  const all = folders.filter((name) => name.startsWith('models--'))
  if (all.length > 0) {
    const ids = all.map((name) => name.slice('models--'.length).replace('--', '/'))
    return `the cache of the Hugging Face hub; name one model of it as ORG/NAME: ${some(ids)}`
  }
  if (!folders.includes('snapshots') || !(folders.includes('blobs') || folders.includes('refs'))) return undefined
  const snapshots = list(join(dir, 'snapshots')).folders.map((name) => join(dir, 'snapshots', name))
  const current = newestReference(dir)
  const whole = snapshots.filter((snapshot) => list(snapshot).files.includes('config.json'))
  const named = whole.find((snapshot) => current !== undefined && snapshot.endsWith(current)) ?? whole[0]
  if (named !== undefined) return `a folder of the Hugging Face cache; the model is in ${named}`
  return 'a folder of the Hugging Face cache without a whole model; download it with xcomposer pull ORG/NAME'
}

function newestReference(dir: string): string | undefined {
  const file = join(dir, 'refs', 'main')
  return statSync(file, { throwIfNoEntry: false })?.isFile() ? readFileSync(file, 'utf8').trim() : undefined
}

/** Names of quantisation methods as their papers spell them. */
const METHODS: Readonly<Record<string, string>> = {
  gptq: 'GPTQ',
  awq: 'AWQ',
  bitsandbytes: 'bitsandbytes',
  aqlm: 'AQLM',
  hqq: 'HQQ',
  fp8: 'FP8',
  exl2: 'EXL2',
}

function quantizedOtherwise(config: Readonly<Record<string, unknown>>): string | undefined {
  const { quantization_config: ours, compression_config: compressed, quantization: mlx } = config
  const settings = isRecord(ours) ? ours : isRecord(compressed) ? compressed : undefined
  if (settings) {
    const { quant_method: method, load_in_4bit: four, load_in_8bit: eight } = settings
    if (typeof method === 'string') return storedBy(METHODS[method] ?? describe(method), 'config.json')
    if (four !== undefined || eight !== undefined) return storedBy('bitsandbytes', 'config.json')
  }
  return isRecord(mlx) && 'group_size' in mlx ? storedBy('MLX', 'config.json') : undefined
}

function storedBy(method: string, where: string): string {
  return `its weights are stored by ${method} (${where}), which is not read; take the float checkpoint that it was made from and store that in 4 or 8 bits with xcomposer quantize`
}

function otherArchitecture({ architectures, model_type: type }: Readonly<Record<string, unknown>>): string | undefined {
  const names = (Array.isArray(architectures) ? architectures : []).filter((name): name is string => typeof name === 'string')
  const known = names.length > 0 ? names.some((name) => ARCHITECTURES.includes(name)) : MODEL_TYPES.includes(String(type))
  if (known || (names.length === 0 && typeof type !== 'string')) return undefined
  const what = names.length > 0 ? names.map(describe).join(', ') : `model_type ${describe(type)}`
  return `config.json is of another architecture, ${what}; read are ${ARCHITECTURES.join(', ')} (one for pictures: internlm/internlm-xcomposer2-vl-7b)`
}

/** There are no weights under the names that are read: what there is instead. */
function otherWeights({ files, folders }: Folder): string | undefined {
  const shards = files.filter((name) => SHARD.test(name))
  if (shards.length > 0) return shardsWithoutIndex(shards)
  const first = (pattern: RegExp) => files.find((name) => pattern.test(name))
  const unfinished = first(/\.(incomplete|part|crdownload|aria2|download)$/)
  if (unfinished) return `${unfinished} is an unfinished download; let it end, or use xcomposer pull ORG/NAME`
  if (first(/\.gguf$/i)) return `${first(/\.gguf$/i)} holds ${GGUF}`
  if (first(/^consolidated\..*\.pth$/) && files.includes('params.json'))
    return "a LLaMA model in Meta's original layout; take the same model in the Hugging Face layout (its name often ends in -hf)"
  if (folders.some((name) => name.startsWith('global_step')) || first(/^zero_to_fp32\.py$/))
    return 'a DeepSpeed checkpoint; make weights of it first: python zero_to_fp32.py . pytorch_model.bin'
  const framework = first(/^(tf_model\.h5|flax_model\.msgpack|.*\.ckpt(\.index)?|.*\.nemo)$/)
  if (framework) return `${framework} holds weights of another framework, which are not read; save the model as safetensors`
  if (first(/\.onnx$/i)) return `${first(/\.onnx$/i)} is ${ONNX}`
  if (first(/^model_index\.json$/)) return 'a pipeline of diffusers, not a language model'
  const other = first(/\.(safetensors|bin|pth?)$/i)
  if (other && files.includes('config.json'))
    return `no model.safetensors and no pytorch_model.bin, but ${other}; if that is the whole model, give it the name that its format has here`
  return undefined
}

function shardsWithoutIndex(shards: readonly string[]): string {
  const [, base = '', , total = '', kind = ''] = SHARD.exec(shards[0] as string) ?? []
  const index = `${base === 'model' ? 'model.safetensors' : 'pytorch_model.bin'}.index.json`
  const wanted = Array.from({ length: Number(total) }, (_, i) => `${base}-${String(i + 1).padStart(5, '0')}-of-${total}.${kind}`)
  const missing = wanted.filter((name) => !shards.includes(name))
  const there = `${wanted.length - missing.length} of ${wanted.length} shards`
  const more = missing.length > 0 ? ` (missing: ${some(missing)})` : ''
  return `${there}${more} without ${index}, which says what each holds; get what is missing from where the model came from`
}

/** The model may lie in a sub-folder. */
function levelTooHigh({ dir, folders }: Folder): string | undefined {
  const models = folders
    .slice(0, 1000)
    .filter((name) => statSync(join(dir, name, 'config.json'), { throwIfNoEntry: false })?.isFile())
  if (models.length === 0) return undefined
  if (models.length === 1) return `no config.json in it, but in ${join(dir, models[0] as string)}; name that folder`
  return `no config.json in it, but in ${models.length} of its folders (${some(models)}); name one of them`
}

/**
 * Says what a path is that cannot be read as a model directory. Returns where it may be one: its parts are still to be checked.
 * @param advice what to do where nothing more is known
 * @throws InputError in one line: what the path is, and what to do
 */
export function refuseOtherThings(path: string, advice = 'name a model directory'): void {
  const fail = (what: string) => new InputError(`${path}: ${what}`)
  const stat = path.includes('\0') ? undefined : statSync(path, { throwIfNoEntry: false })
  if (!stat) throw fail(missingPath(path) ?? `no such model directory; ${advice}`)
  if (stat.isFile()) {
    const file = { path, head: readHead(path) }
    throw fail(firstAnswer(fileRefusals, file) ?? `a file, expected a model directory; ${advice}`)
  }
  if (!stat.isDirectory()) throw fail(`neither a file nor a folder, expected a model directory; ${advice}`)
  const { files, folders } = list(path)
  const hasWeights = files.some((name) => WEIGHTS.test(name))
  const what = firstAnswer(folderRefusals, {
    dir: path,
    files,
    folders,
    hasWeights,
    config: readObject(join(path, 'config.json')),
  })
  if (what !== undefined) throw fail(what)
  if (!files.includes('config.json')) throw fail(`no config.json in it, so it is no model directory; ${advice}`)
}

/** A name on the hub or an address, in place of a folder. */
function missingPath(path: string): string | undefined {
  const id = /^(?:https?:\/\/[^/]+\/|hf:\/\/)?([\w.-]+\/[\w.-]+?)(?:\.git)?(?:\/.*)?$/.exec(path)
  if (/^[a-z]+:\/\//i.test(path))
    return `an address, expected a folder; download it first: xcomposer pull ${id?.[1] ?? 'ORG/NAME'}`
  if (/^\w[\w.-]*\/\w[\w.-]*$/.test(path))
    return `no such folder; if it is a model on the hub, download it first: xcomposer pull ${path}`
  return undefined
}

/** What the names of the tensors say, for checkpoints whose configuration says nothing. @throws InputError as refuseOtherThings */
export function refuseOtherTensors(dir: string, names: Iterable<string>): void {
  for (const name of names) {
    const method = /\.(qweight|qzeros|g_idx)$/.test(name) ? 'GPTQ or AWQ' : TENSOR_MARKS.find(([mark]) => mark.test(name))?.[1]
    if (method !== undefined) throw new InputError(`${dir}: ${storedBy(method, `tensor ${describe(name)}`)}`)
    if (/\.lora_[AB]\./.test(name) && /^base_model\./.test(name))
      throw new InputError(`${dir}: a LoRA adapter (tensor ${describe(name)}), not a whole model; merge it into its base model`)
  }
}

const TENSOR_MARKS: readonly (readonly [RegExp, string])[] = [
  [/\.weight\.(absmax|quant_map|quant_state\..*)$|\.SCB$/, 'bitsandbytes'],
  [/\.weight_scale(_inv)?$/, 'FP8'],
  [/\.weight_packed$/, 'compressed-tensors'],
]

function firstAnswer<T>(table: readonly Refusal<T>[], seen: T): string | undefined {
  for (const refusal of table) {
    const what = refusal(seen)
    if (what !== undefined) return what
  }
  return undefined
}

function readHead(file: string): Buffer {
  const fd = openSync(file, 'r')
  try {
    const head = Buffer.alloc(FILE_HEAD)
    return head.subarray(0, readSync(fd, head, 0, FILE_HEAD, 0))
  } finally {
    closeSync(fd)
  }
}

/** A JSON object in a file; undefined for everything else, which whoever reads it properly says. */
function readObject(file: string): Readonly<Record<string, unknown>> | undefined {
  const stat = statSync(file, { throwIfNoEntry: false })
  if (!stat?.isFile() || stat.size > LARGEST_CONFIG) return undefined
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'))
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** Names in a folder, links followed as the hub's cache needs. */
function list(dir: string): { files: string[]; folders: string[] } {
  const entries = readdirSync(dir, { withFileTypes: true }).map((entry) => {
    const stat = entry.isSymbolicLink() ? statSync(join(dir, entry.name), { throwIfNoEntry: false }) : entry
    return { name: entry.name, folder: stat?.isDirectory() === true, file: stat?.isFile() === true }
  })
  const names = (kind: 'file' | 'folder') => entries.filter((entry) => entry[kind]).map(({ name }) => name)
  return { files: names('file').sort(), folders: names('folder').sort() }
}

function some(names: readonly string[]): string {
  const shown = names.slice(0, MOST_NAMED).join(', ')
  return names.length > MOST_NAMED ? `${shown} and ${names.length - MOST_NAMED} more` : shown
}
