/**
 * `model:` of a recipe: another adapter or projector than the model has that a run starts from. What is changed starts anew (an expert
 * with the base layers' values), everything else is taken over.
 */
import { isDeepStrictEqual } from 'node:util'
import { readAdapter, readProjector } from '../model/config.js'
import type { ModelPart } from '../model/parameter-spec.js'
import { modelParameters } from '../model/parameters.js'
import type { StartingPoint } from './starting-point.js'

/** Fields of config.json that a recipe may set. */
export interface ModelOverrides {
  readonly adapter?: Readonly<Record<string, unknown>>
  readonly projector?: Readonly<Record<string, unknown>>
}

/**
 * The starting point with the recipe's adapter and projector; values of changed parts are left out, to be filled afresh, and a notice
 * says which.
 * @param file the recipe, named in errors
 * @throws InputError when the settings are wrong or do not fit the model
 */
export function withOverrides(start: StartingPoint, { adapter, projector }: ModelOverrides, file: string): StartingPoint {
  const where = `${file}: model`
  const before = start.config
  const adapted = adapter ? { ...before, decoder: { ...before.decoder, adapter: readAdapter(adapter, where) } } : before
  const config = projector ? { ...adapted, projector: readProjector(projector, adapted, where) } : adapted
  const changes: readonly { readonly part: ModelPart; readonly from: string; readonly to: string; readonly same: boolean }[] = [
    {
      part: 'adapter',
      from: before.decoder.adapter.type,
      to: config.decoder.adapter.type,
      same: isDeepStrictEqual(before.decoder.adapter, config.decoder.adapter),
    },
    {
      part: 'projector',
      from: before.projector.type,
      to: config.projector.type,
      same: isDeepStrictEqual(before.projector, config.projector),
    },
  ]
  const changed = changes.filter(({ same }) => !same)
  const specs = modelParameters(config)
  const initial = new Map(
    specs.flatMap(({ name, part }): [string, Float32Array][] => {
      const values = changed.some((c) => c.part === part) ? undefined : start.initial.get(name)
      return values ? [[name, values]] : []
    }),
  )
  const notices = changed.map(({ part, from, to }) => {
    const own = specs.filter((s) => s.part === part)
    const how = own.some((s) => s.startsAs !== undefined) ? "start with the base layers' values" : 'start anew'
    return `model: ${part} ${from} becomes ${to}${from === to ? ' with other settings' : ''}; its ${own.length} tensors ${how}`
  })
  const configJson = { ...(start.configJson as object), ...(adapter ? { adapter } : {}), ...(projector ? { projector } : {}) }
  return { ...start, config, configJson, specs, initial, notices: [...start.notices, ...notices] }
}
