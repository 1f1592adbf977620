/** The options by which commands choose a model. It loads none, and nothing native: the server leaves that to another process. */
import { existsSync } from 'node:fs'
import { pulledModel } from '../checkpoint/hub-cache.js'
import { refuseOtherThings } from '../checkpoint/refusals.js'
import { packagedModel } from '../common/package-root.js'
import type { Args, Options } from './command.js'

export const modelOptions: Options = {
  model: { type: 'string', short: 'm' },
  threads: { type: 'string' },
  provider: { type: 'string' },
}

export const modelHelp = `  -m, --model DIR            model directory (default: the packaged nano)
      --threads N            threads of the engine (default: the machine's)
      --provider NAME        cpu, cuda, webgpu, coreml or dml (default: cpu)`

export const providers = ['cpu', 'cuda', 'webgpu', 'coreml', 'dml'] as const

/** The model directory that `--model` names: a folder, or ORG/NAME where it was pulled. @throws InputError when it is none */
export function modelDirectory(args: Args, option: 'model' | 'draft' = 'model'): string {
  const named = args.text(option)
  if (named !== undefined) return namedModel(named, `name one with --${option}`)
  refuseOtherThings(packagedModel, 'reinstall the package, or name one with --model')
  return packagedModel
}

/** The folder of a model by its path, or by ORG/NAME where it was pulled. @param advice what to do where it is none @throws InputError */
export function namedModel(named: string, advice = 'name a model directory'): string {
  const dir = existsSync(named) ? named : (pulledModel(named) ?? named)
  refuseOtherThings(dir, advice)
  return dir
}
