/** OpenAI's published API description as validators. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { packageRoot } from '../../src/common/package-root.js'

const ID = 'https://api.openai.com/description'

/** Errors of a value against a schema of the description; none where it is valid. */
export type Validator = (schema: string, value: unknown) => string[]

/** The committed part of the description, and the whole where it is. */
export function descriptions(): [name: string, validate: Validator][] {
  const files = [
    ['the committed part', join(packageRoot, 'tests', 'data', 'conformance', 'openai-responses.json')],
    ['the whole', join(packageRoot, '..', 'shared', 'conformance', 'openai-openapi.json')],
  ] as const
  return files.filter(([, file]) => existsSync(file)).map(([name, file]) => [name, validator(file)])
}

function validator(file: string): Validator {
  const ajv = new Ajv2020({ strict: false, allErrors: false })
  ajv.addFormat('unixtime', { type: 'number', validate: (value: number) => value >= 0 })
  addFormats.default(ajv)
  ajv.addSchema({ ...(JSON.parse(readFileSync(file, 'utf8')) as object), $id: ID })
  return (schema, value) => {
    const validate = ajv.getSchema(`${ID}#/components/schemas/${schema}`)
    if (!validate) throw new Error(`no schema ${schema}`)
    return validate(value) ? [] : (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`)
  }
}
