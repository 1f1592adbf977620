/** The models of the server, and the one that answers. */
import { computed, signal } from '@preact/signals'
import { requestJson } from '../lib/api'
import { preferences } from '../lib/preferences'

/** Of `GET /v1/models`. */
export interface Model {
  readonly id: string
  readonly capabilities?: { readonly vision?: boolean }
  readonly context_length?: number
}

export const models = signal<readonly Model[] | undefined>(undefined)

/** The chosen one, or the server's first. */
export const model = computed<Model | undefined>(() => {
  const list = models.value ?? []
  return list.find(({ id }) => id === preferences.value.model) ?? list[0]
})

/** Unknown counts as yes: the server says if it is not so. */
export const sees = computed(() => model.value?.capabilities?.vision !== false)

export async function loadModels(): Promise<void> {
  models.value = (await requestJson<{ data: Model[] }>('/v1/models')).data
}
