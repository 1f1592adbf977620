/** InternLM2: its names are ours. A text model has no PLoRA, which its config.json does not say. */
import type { NameMap } from './name-map.js'

export const internlm2: NameMap = {
  modelTypes: ['internlm2'],
  config(json, tensors) {
    if ('adapter' in json || [...tensors.keys()].some((name) => name.includes('.Plora_A.'))) return json
    return { ...json, adapter: { type: 'none' } }
  },
  tensors: (tensors) => tensors,
}
