// The written sets against the held-out rules. Needs recipes/nano/work (made by data.js) and the data packages; without
// them the reason is printed and nothing is checked.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { extraStyles, heldOutVendor, loadConcepts, unseenVendor } from './concepts.js'
import { packagesInstalled, workRoot } from './paths.js'
import type { DialogueRecord, EvalRecord } from './records.js'

const sets = ['sft/select']
const reason = !packagesInstalled()
  ? 'the data packages are not installed (npm ci in examples/nano)'
  : [...sets, 'eval/naming_known', 'eval/naming_unseen'].some((name) => !existsSync(join(workRoot, `${name}.jsonl`)))
    ? 'recipes/nano/work is not made yet (run the nano data recipe)'
    : undefined
if (reason) console.log(`held-out checks on the written data are skipped: ${reason}`)

const read = <T>(name: string): T[] =>
  readFileSync(join(workRoot, `${name}.jsonl`), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T)

describe.skipIf(reason !== undefined)(`the written data${reason ? ` (${reason})` : ''}`, () => {
  // Read when a test asks: this body runs even where the tests are skipped.
  const written = () => sets.flatMap((name) => read<DialogueRecord>(name).map((record) => ({ name, record })))

  it('never shows a held-out style of a concept, nor a sibling of it, nor OpenMoji', () => {
    const concepts = new Map(loadConcepts().concepts.map((c) => [c.icon, heldOutVendor(c.icon, c.vendors)]))
    expect(concepts.size).toBeGreaterThan(800)
    for (const { record } of written())
      for (const path of record.image ?? []) {
        if (!path.includes('/sprites/')) continue
        const vendor = basename(dirname(path))
        expect(vendor, path).not.toBe(unseenVendor)
        // Further drawings of one thing in a style are numbered: chick.1.png.
        const held = concepts.get(basename(path, '.png').replace(/\.\d+$/, ''))
        expect(vendor, path).not.toBe(held)
        const family = (extraStyles as Record<string, string | undefined>)[vendor]
        if (family !== undefined) expect(family, path).not.toBe(held)
      }
  })

  it('contains no training picture whose bytes equal a held-out one', () => {
    const hash = (file: string) =>
      createHash('sha256')
        .update(readFileSync(join(workRoot, file)))
        .digest('hex')
    const hidden = new Set<string>()
    for (const name of ['naming_known', 'naming_unseen'])
      for (const record of read<EvalRecord>(`eval/${name}`)) hidden.add(hash(record.images[0]!.replace(/^img\//, '')))
    const shown = new Set(
      written()
        .flatMap(({ record }) => record.image ?? [])
        .filter((path) => path.includes('/sprites/')),
    )
    for (const path of shown) expect(hidden.has(hash(path.replace(/^img\//, ''))), path).toBe(false)
  })

  it('every record has its pictures, a placeholder for each, and turns that alternate', () => {
    for (const { name, record } of written()) {
      const text = record.conversations.map((t) => t.value).join('')
      expect(text.split('<ImageHere>').length - 1, record.id).toBe(record.image?.length ?? 0)
      expect(
        record.conversations.every((t, i) => t.from === (i % 2 === 0 ? 'user' : 'assistant') && t.value.trim() !== ''),
        record.id,
      ).toBe(true)
      const first = record.image?.[0]
      if (first) expect(existsSync(join(workRoot, dirname(name), first)), first).toBe(true)
    }
  })
})
