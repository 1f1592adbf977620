/** Training records as people have them: every format to the same conversation, and what is not taken by its name. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { FORMAT_NAMES, FORMATS } from './formats/index.js'
import { MistakesError } from './mistakes.js'
import { type ReadOptions, readRecords } from './training-records.js'

const root = realpathSync(mkdtempSync(join(tmpdir(), 'records-')))
const file = join(root, 'set/data.json')
const a = join(root, 'set/img/a.png')
const b = join(root, 'set/img/b.png')
mkdirSync(join(root, 'set/img'), { recursive: true })
mkdirSync(join(root, 'elsewhere'))
for (const name of ['set/img/a.png', 'set/img/b.png', 'secret.png', 'elsewhere/c.png']) writeFileSync(join(root, name), 'x')
symlinkSync(join(root, 'secret.png'), join(root, 'set/img/link.png'))
afterAll(() => rmSync(root, { recursive: true }))

function read(records: readonly unknown[], options?: ReadOptions) {
  writeFileSync(file, JSON.stringify(records))
  return readRecords(file, options).map(({ where: _, ...record }) => record)
}
const says = (...turns: string[]) => turns.map((value, i) => ({ from: i % 2 === 0 ? 'human' : 'gpt', value }))
const chat = (...turns: unknown[]) => turns.map((content, i) => ({ role: i % 2 === 0 ? 'user' : 'assistant', content }))
const text = (value: string) => ({ type: 'text', text: value })
const image = (index: number) => ({ type: 'image', image: index })
const user = (...content: object[]) => ({ role: 'user', content })
const assistant = (value: string) => ({ role: 'assistant', content: [text(value)] })

const one = { kind: 'conversation', conversation: { turns: [user(image(0), text('What?')), assistant('red')] }, images: [a] }
const two = {
  kind: 'conversation',
  conversation: { system: 'Be brief.', turns: [user(image(0), image(1), text('Same?')), assistant('no')] },
  images: [a, b],
}
const system = { from: 'system', value: 'Be brief.' }

describe('one conversation, read from', () => {
  it.each<[string, object, object]>([
    ['the reference', { id: 7, image: ['img/a.png'], conversations: says('<ImageHere>What?', 'red') }, one],
    ['a path alone', { image: 'img/a.png', conversations: says('<ImageHere>What?', 'red') }, one],
    ['the field of question files', { images: ['img/a.png'], conversations: says('<ImageHere>What?', 'red') }, one],
    ['LLaVA', { id: '0', image: 'img/a.png', conversations: says('<image>\nWhat?', 'red') }, one],
    ['LLaVA with a path of Windows', { image: 'img\\a.png', conversations: says('<image>\nWhat?', 'red') }, one],
    ['LLaVA with an absolute path', { image: a, conversations: says('<image>\nWhat?', 'red') }, one],
    [
      'LLaVA with several images and a system turn',
      { image: ['img/a.png', 'img/b.png'], conversations: [system, ...says('<image>\n<image>\nSame?', 'no')] },
      two,
    ],
    [
      'LLaVA with a system field',
      { system: 'Be brief.', images: ['img/a.png', 'img/b.png'], conversations: says('<image><image>\nSame?', 'no') },
      two,
    ],
    ['messages with images spelled', { images: ['img/a.png'], messages: chat('<image>\nWhat?', 'red') }, one],
    [
      'messages of parts, images in a list',
      {
        images: ['img/a.png', 'img/b.png'],
        messages: [
          { role: 'system', content: [text('Be brief.')] },
          ...chat([{ type: 'image' }, { type: 'image' }, text('Same?')], [text('no')]),
        ],
      },
      two,
    ],
    ['messages with paths in them', { messages: chat([{ type: 'image', image: 'img/a.png' }, text('What?')], 'red') }, one],
    [
      "OpenAI's messages",
      { messages: chat([{ type: 'image_url', image_url: { url: 'img/a.png' } }, text('What?')], 'red') },
      one,
    ],
  ])('%s', (_, record, expected) => {
    expect(read([record])).toEqual([expected])
  })

  it.each([
    ['null', null],
    ['an empty path', ''],
    ['an empty list', []],
  ])('a record whose image is %s, among others, and texts', (_, none) => {
    const records = [
      { image: 'img/a.png', conversations: says('<image>\nWhat?', 'red') },
      { image: none, conversations: says('Hello', 'Hi') },
      { id: 1, text: 'An apple.' },
    ]
    expect(read(records)).toEqual([
      one,
      { kind: 'conversation', conversation: { turns: [user(text('Hello')), assistant('Hi')] }, images: [] },
      { kind: 'text', text: 'An apple.' },
    ])
  })
})

it('leaves text that only looks like the place of an image', () => {
  const html = [user(text('What is <image> in HTML?')), assistant('No tag.')]
  expect(read([{ conversations: says('What is <image> in HTML?', 'No tag.') }])).toMatchObject([
    { conversation: { turns: html } },
  ])
  const [record] = read([{ image: 'img/a.png', conversations: says('<ImageHere>An <image>?', 'no') }])
  expect(record).toMatchObject({ conversation: { turns: [user(image(0), text('An <image>?')), assistant('no')] } })
  const spelled = { image: 'img/a.png', conversations: says('<image>\nWhat is <ImageHere>?', 'red') }
  expect(read([spelled], { format: 'llava' })).toMatchObject([
    { conversation: { turns: [user(image(0), text('What is <ImageHere>?')), assistant('red')] } },
  ])
  expect(() => read([spelled])).not.toThrow()
})

it('keeps an image where it stands, without the line break that sets it apart', () => {
  const record = { image: ['img/a.png', 'img/b.png'], conversations: says('Is this\n<image>\nlike this?\n<image>', 'yes') }
  expect(read([record])).toMatchObject([
    { conversation: { turns: [user(text('Is this\n'), image(0), text('\nlike this?'), image(1)), assistant('yes')] } },
  ])
})

it('takes images from a folder of its own, and absolute paths below it or the file', () => {
  const asked = (path: string) => ({ image: path, conversations: says('<image>\nWhat?', 'red') })
  const imageFolder = join(root, 'elsewhere')
  const records = [asked('c.png'), asked(join(imageFolder, 'c.png')), asked(a)]
  const read1 = read(records, { imageFolder })
  const c = join(imageFolder, 'c.png')
  expect(read1).toMatchObject([{ images: [c] }, { images: [c] }, { images: [a] }])
  expect(() => read([asked('../secret.png')], { imageFolder })).toThrow(/lies outside/)
  expect(() => read(records, { imageFolder: join(root, 'none') })).toThrow(/image_folder: no folder/)
})

it('keeps what augmentation may do', () => {
  expect(read([{ flip: true, shift: false, text: undefined, image: 'img/a.png', conversations: says('<image>?', 'x') }])).toEqual(
    [expect.objectContaining({ flip: true })],
  )
})

it('passes over records with a missing image where told to, but not over forbidden paths', () => {
  const asked = (path: string) => ({ image: path, conversations: says('<image>\nWhat?', 'red') })
  const left: string[] = []
  const onMissing = (where: string, message: string) => left.push(`${where}: ${message}`)
  expect(read([asked('img/a.png'), asked('img/none.png')], { onMissing })).toEqual([one])
  expect(left).toEqual([expect.stringMatching(/^record 1 \(line 1\): image "img\/none\.png" not found/)])
  expect(() => read([asked('../secret.png')], { onMissing })).toThrow(/lies outside/)
})

it('shows ten mistakes at once, with their number', () => {
  const records = Array.from({ length: 25 }, (_, i) => ({ image: `none${i}.png`, conversations: says('<image>?', 'x') }))
  try {
    read(records)
    expect.unreachable()
  } catch (error) {
    if (!(error instanceof MistakesError)) throw error
    expect([error.lines.length, error.lines[0]]).toEqual([11, `${file}: 25 mistakes, the first 10:`])
    expect(error.lines[3]).toMatch(/^ {2}record 2 \(line 1\): image "none2\.png" not found/)
  }
})

describe('refuses with the record and the field', () => {
  const good = { image: 'img/a.png', conversations: says('<ImageHere>?', 'x') }
  const llava = { image: 'img/a.png', conversations: says('<image>?', 'x') }
  it.each<[string, unknown, RegExp]>([
    ['an image without placeholder', { ...good, conversations: says('?', 'x') }, /0 <ImageHere> in the conversation but 1 image/],
    ['a placeholder without image', { conversations: says('<ImageHere>?', 'x') }, /1 <ImageHere> .* but 0 image/],
    ['too few places', { ...llava, images: ['img/a.png', 'img/b.png'], image: null }, /1 <image> .* but 2 image/],
    ['an empty answer', { ...good, conversations: says('<ImageHere>?', ' \n') }, /conversations\[1\] is empty/],
    ['no turns', { conversations: [] }, /the conversation is empty/],
    ['no answer', { conversations: says('?') }, /has no answer/],
    ['an answer first', { conversations: says('?', 'x').reverse() }, /conversations\[0\] is from "gpt", expected user/],
    ['two questions in a row', { conversations: [...says('?'), ...says('?')] }, /conversations\[1\] is from "human"/],
    ['a late system turn', { conversations: [...says('?', 'x'), system] }, /conversations\[2\] is a system turn; only the first/],
    ['two system texts', { system: 'a', conversations: [system, ...says('?', 'x')] }, /expected one of them/],
    ['an unknown role', { conversations: [{ from: 'bing', value: '?' }] }, /from "bing", expected user \(human\)/],
    ['calls of tools', { conversations: [...says('?'), { from: 'function_call', value: '{}' }] }, /calls of tools are not taken/],
    ['a path out of the directory', { ...good, image: '../../etc/passwd' }, /image .* lies outside/],
    ['an absolute path', { ...good, image: '/etc/passwd' }, /image .* lies outside/],
    ['a link out of the directory', { ...good, image: 'img/link.png' }, /image "img\/link\.png" is a link out/],
    ['an address', { ...good, image: 'https://example.org/a.png' }, /image: "https:.*" is an address; download/],
    ['a data address', { ...good, image: 'data:image/png;base64,AA' }, /image: a data: address is not taken/],
    ['bytes', { ...good, image: { bytes: 'AA', path: null } }, /image: image bytes inside the record/],
    ['a number as image', { ...good, image: [3] }, /image\[0\]: expected a path, got 3/],
    ['both fields of images', { ...good, images: ['img/a.png'] }, /image and images are both there/],
    ['a wrong type', { ...good, conversations: 'hi' }, /conversations: expected an array/],
    ['a turn without text', { conversations: [{ from: 'human' }] }, /conversations\[0\]\.value: expected a text, got null/],
    ['a flag that is none', { ...good, flip: 'yes' }, /flip: expected true or false, got "yes"/],
    ['no object', 7, /expected an object, got 7/],
    ['an empty text', { text: '' }, /text: expected a text/],
    [
      'Alpaca',
      { instruction: 'a', input: '', output: 'b' },
      /an Alpaca record \(instruction, output\) is not taken; write it as/,
    ],
    ['ShareGPT with items', { items: says('?', 'x') }, /a ShareGPT record with items is not taken; call the field/],
    ['preferences', { prompt: 'a', chosen: 'b', rejected: 'c' }, /a preference pair/],
    ['a video', { video: 'a.mp4', conversations: says('<video>?', 'x') }, /a record with a video is not taken/],
    ['a video beside messages', { videos: ['a.mp4'], messages: chat('<video>?', 'x') }, /a record with videos is not taken/],
    ['a question of eval', { question: '?', answers: ['x'], scorer: 'exact' }, /a question of eval is not taken/],
    ['a pair', { image: 'img/a.png', question: '?', answer: 'x' }, /a pair of question and answer/],
    ['a caption', { image: 'img/a.png', caption: 'x' }, /an image with a caption/],
    ['something else', { foo: 1 }, /neither conversations nor messages nor text in it \(fields: foo\)/],
    [
      'too few image parts',
      { images: ['img/a.png', 'img/b.png'], messages: chat([{ type: 'image' }], 'x') },
      /images: 1 more than/,
    ],
  ])('%s', (_, record, message) => {
    writeFileSync(file, `${JSON.stringify(good)}\n${JSON.stringify(record)}\n`)
    expect(() => readRecords(file)).toThrow(message)
    expect(() => readRecords(file)).toThrow(`${file}: record 1 (line 2): `)
  })

  it('another spelling than that of the format named', () => {
    expect(() => read([llava], { format: 'xcomposer' })).toThrow(/0 <ImageHere> .* 1 image\(s\) \(1 <image> stand there as text/)
    expect(() => read([llava, { conversations: says('<image>?', 'x') }])).toThrow(/record 1 .*1 <image> .* but 0 image/)
  })

  it('an unknown format, and a file without records', () => {
    expect(() => read([good], { format: 'sharegpt' })).toThrow(
      /format: expected auto, messages, llava, xcomposer, got "sharegpt"/,
    )
    expect(() => read([])).toThrow(/no records/)
    expect(FORMAT_NAMES).toHaveLength(FORMATS.length + 1)
  })
})
