import { pathToFileURL } from 'node:url'
import { expect, it } from 'vitest'
import { pastedPath, pastedPaths } from './pasted-path.js'

const there = [
  '/x/My Photo.jpg',
  "/x/it's.png",
  '/x/a.png',
  '/x/b c.png',
  '/home/me/d.png',
  '/x/odd\\ name.png',
  'C:\\x\\a b.png',
]
const system = { exists: (path: string) => there.includes(path), home: '/home/me', windows: false }

it.each([
  ['/x/a.png', '/x/a.png'],
  ['/x/My Photo.jpg', '/x/My Photo.jpg'],
  ['/x/My\\ Photo.jpg', '/x/My Photo.jpg'],
  ['"/x/My Photo.jpg"', '/x/My Photo.jpg'],
  ["'/x/My Photo.jpg'", '/x/My Photo.jpg'],
  ["'/x/it'\\''s.png'", "/x/it's.png"],
  ["/x/it\\'s.png", "/x/it's.png"],
  ["/x/it's.png", "/x/it's.png"],
  ['/x/odd\\ name.png', '/x/odd\\ name.png'],
  ['~/d.png', '/home/me/d.png'],
  [pathToFileURL('/x/My Photo.jpg').href, '/x/My Photo.jpg'],
  ['file://elsewhere/x.png', 'file://elsewhere/x.png'],
  ["/x/isn't there.png", "/x/isn't there.png"],
])('%s is the path %s', (text, path) => expect(pastedPath(text, system)).toBe(path))

it('keeps backslashes where they separate folders', () => {
  expect(pastedPath('"C:\\x\\a b.png"', { ...system, windows: true })).toBe('C:\\x\\a b.png')
})

it.each([
  ['/x/a.png /x/b\\ c.png', ['/x/a.png', '/x/b c.png']],
  ["'/x/a.png' '/x/b c.png'", ['/x/a.png', '/x/b c.png']],
  ['/x/b\\ c.png', ['/x/b c.png']],
  ['/x/a.png /x/none.png', ['/x/a.png /x/none.png']],
  ['a b.png', ['a b.png']],
])('%s are the paths %j', (text, paths) => expect(pastedPaths(text, system)).toEqual(paths))
