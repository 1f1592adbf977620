import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { goldenFolders } from '../../tests/support/golden-folders.js'
import { check } from './composition.js'

const folders = goldenFolders('composition')

async function failures(dir: string): Promise<{ cases: number; failed: string[] }> {
  const failed: string[] = []
  let cases = 0
  for await (const result of check.run(dir)) {
    cases++
    if (!result.passed) failed.push(`${result.name}: ${result.detail}`)
  }
  return { cases, failed }
}

test.each(folders)('composition prompts and parsers agree with %s', async (dir) => {
  const { cases, failed } = await failures(dir)
  expect(failed).toEqual([])
  expect(cases).toBeGreaterThan(100)
})

test('a prompt that differs in one character fails its case only', async () => {
  const dir = await mkdtemp(path.join(tmpdir(), 'composition-'))
  try {
    const text = await readFile(path.join(folders[0] ?? '', 'cases.json'), 'utf8')
    await writeFile(path.join(dir, 'cases.json'), text.replace('扩写以下段落：', '扩写以下段落:'))
    const { failed } = await failures(dir)
    expect(failed).toHaveLength(1)
    expect(failed[0]).toMatch(/^edit 0 expand: differs at/)
  } finally {
    await rm(dir, { recursive: true })
  }
})
