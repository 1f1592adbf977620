/** The defaults for sampling that a model directory brings along (generation_config.json), where it has any. */
import { existsSync } from 'node:fs'
import { z } from 'zod'
import type { ModelDirectory } from '../checkpoint/model-directory.js'
import { InputError } from '../common/errors.js'
import { readJsonObject } from '../common/json.js'
import { firstIssue } from '../common/schema-issue.js'

const MAX_BYTES = 1_000_000
const schema = z.object({ temperature: z.number().min(0).max(10).optional() })

/** What composition takes when nothing else is asked for. */
export type GenerationDefaults = Readonly<z.infer<typeof schema>>

/** @throws InputError naming file and field */
export function readGenerationDefaults(directory: ModelDirectory): GenerationDefaults {
  const file = directory.path('generation_config.json')
  if (!existsSync(file)) return {}
  const json = readJsonObject(file, MAX_BYTES)
  const parsed = schema.safeParse(json)
  if (parsed.success) return parsed.data
  const { field, message } = firstIssue(parsed.error, json)
  throw new InputError(`${file}: field "${field}": ${message}`)
}
