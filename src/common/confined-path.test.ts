import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ConfinedPathError, confinedTo } from './confined-path.js'
import { InputError } from './errors.js'

const top = realpathSync(mkdtempSync(join(tmpdir(), 'confined-')))
const root = join(top, 'root')
const photos = join(top, 'photos')
afterAll(() => rmSync(top, { recursive: true }))
beforeAll(() => {
  for (const dir of [root, photos, join(root, 'sub'), join(top, 'root-too')]) mkdirSync(dir)
  for (const file of ['root/a.png', 'root/..b.png', 'root/sub/c.png', 'photos/p.png', 'secret.png', 'root-too/x.png'])
    writeFileSync(join(top, file), 'x')
  writeFileSync(join(root, 'odd\\name.png'), 'x')
  symlinkSync('a.png', join(root, 'link.png'))
  symlinkSync('../secret.png', join(root, 'out.png'))
  symlinkSync(photos, join(root, 'photos'))
  symlinkSync('nowhere', join(root, 'dangling.png'))
  symlinkSync(root, join(top, 'other'))
})

const problem = (path: string, allowed?: string[]) => {
  try {
    return confinedTo(root, allowed)(path)
  } catch (error) {
    expect(error).toBeInstanceOf(ConfinedPathError)
    expect((error as Error).message).not.toContain('\n')
    return (error as ConfinedPathError).problem
  }
}

describe('a path from data', () => {
  it.each([
    ['a.png', 'root/a.png'],
    ['./sub/../a.png', 'root/a.png'],
    ['..b.png', 'root/..b.png'],
    ['link.png', 'root/a.png'],
    ['sub/c.png', 'root/sub/c.png'],
    ['sub\\c.png', 'root/sub/c.png'],
    ['odd\\name.png', 'root/odd\\name.png'],
    [join(root, 'a.png'), 'root/a.png'],
  ])('%j names a file below the folder', (path, file) => {
    expect(problem(path)).toBe(join(top, file))
  })

  it.each([
    ['../secret.png', 'outside'],
    ['..\\secret.png', 'outside'],
    ['sub/../../secret.png', 'outside'],
    ['..', 'outside'],
    ['.', 'outside'],
    ['/etc/passwd', 'outside'],
    ['C:\\photos\\a.png', 'outside'],
    [join(top, 'root-too/x.png'), 'outside'],
    [join(photos, 'p.png'), 'outside'],
    ['out.png', 'link-outside'],
    ['photos/p.png', 'link-outside'],
    ['none.png', 'missing'],
    ['a.png/b', 'missing'],
    ['dangling.png', 'missing'],
    ['sub', 'no-file'],
    ['', 'no-path'],
    ['a\0.png', 'no-path'],
  ])('%j is refused: %s', (path, expected) => {
    expect(problem(path)).toBe(expected)
  })

  it('may be absolute, or a link, below a folder that is allowed', () => {
    expect(problem(join(photos, 'p.png'), [photos])).toBe(join(photos, 'p.png'))
    expect(problem('photos/p.png', [photos])).toBe(join(photos, 'p.png'))
    expect(problem('../secret.png', [photos])).toBe('outside')
  })

  it('is followed when the folder itself is named by a link', () => {
    expect(confinedTo(join(top, 'other'))('a.png')).toBe(join(root, 'a.png'))
    expect(confinedTo(join(top, 'other'))(join(root, 'a.png'))).toBe(join(root, 'a.png'))
  })

  it('never leads out, however it is spelled', () => {
    const file = confinedTo(root)
    const piece = fc.constantFrom('..', '.', 'sub', 'a.png', 'c.png', 'photos', 'out.png', 'p.png', 'secret.png', '', 'root')
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), fc.constantFrom('/', '\\', '//'), fc.boolean(), (pieces, by, rooted) => {
        try {
          expect(file((rooted ? `${root}${by}` : '') + pieces.join(by)).startsWith(`${root}/`)).toBe(true)
        } catch (error) {
          expect(error).toBeInstanceOf(ConfinedPathError)
        }
      }),
    )
  })
})

it('names a folder that is not there', () => {
  expect(() => confinedTo(join(top, 'none'))).toThrow(InputError)
})
