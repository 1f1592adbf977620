/** `<ImageHere>` on the command line: the place of an image where the numbers fit, and otherwise a line that says so. */
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { call } from '../../tests/support/command-line.js'
import { packageRoot } from '../common/package-root.js'
import { liveHandles } from '../engine/index.js'

afterAll(() => expect(liveHandles().byKind).toEqual({}))

const house = ['--image', join(packageRoot, 'examples', 'questions', 'emojione-house.png')]
const ask = (...argv: string[]) => call('chat', '--threads', '1', '--max-new-tokens', '8', ...argv)

it('is the place of an image', async () => {
  const plain = await ask(...house, 'What is this?')
  expect(plain.out).toMatch(/house/)
  expect(await ask(...house, '<ImageHere>What is this?')).toEqual(plain)
})

it('is refused in one line where there are more or fewer images', async () => {
  for (const [images, places, said] of [
    [house, '<ImageHere><ImageHere>', '2 times, but it has 1 image;'],
    [[...house, ...house], '<ImageHere>', 'once, but it has 2 images;'],
  ] as const) {
    const { code, out, err } = await ask(...images, `${places}What is this?`)
    expect([code, out]).toEqual([2, ''])
    expect(err).toMatch(
      /^xcomposer: message 1: its text spells <ImageHere> [^\n]+ write <ImageHere> once for each image[^\n]+\n$/,
    )
    expect(err).toContain(said)
  }
})

it('is text without an image, and said to be', async () => {
  const { code, err } = await ask('What does <ImageHere> mean?')
  expect([code, err]).toEqual([0, 'the question spells <ImageHere>, but there is no --image; it is read as text\n'])
})
