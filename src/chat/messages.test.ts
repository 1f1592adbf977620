/** What messages may be: the parts of a prompt that they become, and the line that names what cannot be used. */
import { describe, expect, it } from 'vitest'
import { InputError } from '../common/errors.js'
import { type ChatMessage, readMessages } from './messages.js'

const text = (words: string) => ({ type: 'text' as const, text: words })
const image = (name: string) => ({ type: 'image' as const, image: name })

/** The last user message as it is read: its texts, and images as what they were named. */
function read(content: unknown, literalText = false): unknown {
  const { request, images } = readMessages([{ role: 'user', content } as ChatMessage], { literalText })
  if (typeof request.user === 'string') return request.user
  return request.user
    .map((part) => (part.type === 'text' ? part.text : { image: images[part.image]?.source }))
    .filter((part) => part !== '')
}

describe('<ImageHere> in a user message', () => {
  it.each([
    ['one before', [image('a'), text('<ImageHere>What is this?')], [{ image: 'a' }, 'What is this?']],
    ['one in between', [image('a'), text('Look: <ImageHere> What is it?')], ['Look: ', { image: 'a' }, ' What is it?']],
    [
      'two in order',
      [image('a'), image('b'), text('<ImageHere> or <ImageHere>?')],
      [{ image: 'a' }, ' or ', { image: 'b' }, '?'],
    ],
    [
      'over two texts',
      [text('<ImageHere>x'), image('a'), text('y<ImageHere>'), image('b')],
      [{ image: 'a' }, 'x', 'y', { image: 'b' }],
    ],
    ['none spelled', [text('x'), image('a')], ['x', { image: 'a' }]],
    ['no image', [text('What does <ImageHere> mean?')], ['What does <ImageHere> mean?']],
  ])('is the place of an image, %s', (_, content, wanted) => {
    expect(read(content)).toEqual(wanted)
  })
  it('as the text of a message without images stays text', () => {
    expect(read('<ImageHere>')).toEqual(['<ImageHere>'])
  })
  it('stays text where literalText says so', () => {
    expect(read([image('a'), text('<ImageHere><ImageHere>')], true)).toEqual([{ image: 'a' }, '<ImageHere><ImageHere>'])
  })
  it('counts message by message, not over turns', () => {
    const { request } = readMessages([
      { role: 'user', content: [image('a'), text('What is this?')] },
      { role: 'assistant', content: '<ImageHere>' },
      { role: 'user', content: '<ImageHere>?' },
    ])
    expect(request.user).toEqual([text('<ImageHere>?')])
    expect(request.history?.[0]?.assistant).toBe('<ImageHere>')
  })
})

describe('messages from outside', () => {
  it("may be of OpenAI's form", () => {
    const url = 'data:image/png;base64,AAAA'
    expect(read([text('x'), { type: 'image_url', image_url: { url, detail: 'low' } }])).toEqual(['x', { image: url }])
    expect(read([{ type: 'image_url', image_url: url }])).toEqual([{ image: url }])
  })

  const user = { role: 'user', content: 'x' }
  it.each([
    ['no list', undefined, /^messages: expected a list/],
    ['a message that is none', [null], /^message 1: expected \{ role, content \}/],
    ['a message without content', [{ role: 'user' }], /^message 1: expected as content a text or a list of parts, got none/],
    ['content null', [user, { role: 'assistant', content: null }, user], /^message 2: expected as content .* got none/],
    ['content that is an object', [{ role: 'user', content: { text: 'x' } }], /^message 1: .* got object/],
    ['an unknown role', [{ role: 'tool', content: 'x' }], /^message 1: expected the role system, user or assistant, got "tool"/],
    ['no role', [{ content: 'x' }], /^message 1: expected the role .* got none/],
    ['a part that is a text', [{ role: 'user', content: ['x'] }], /^message 1, part 1: expected \{ type: 'text', text \}/],
    [
      'a part of another type',
      [{ role: 'user', content: [text('x'), { type: 'audio' }] }],
      /^message 1, part 2: expected the type text, image or image_url, got "audio"/,
    ],
    [
      'a text part without text',
      [{ role: 'user', content: [{ type: 'text' }] }],
      /^message 1, part 1: expected a text in "text", got none/,
    ],
    [
      'an image part without image',
      [{ role: 'user', content: [{ type: 'image' }] }],
      /^message 1, part 1: expected an image in "image", got none/,
    ],
    [
      'an image_url without url',
      [{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }],
      /^message 1, part 1: expected image_url: \{ url/,
    ],
    [
      'a system that shows',
      [{ role: 'system', content: [image('a')] }, user],
      /^message 1: one of the system, holds an image; only user messages can/,
    ],
    [
      'too many places',
      [{ role: 'user', content: [image('a'), text('<ImageHere><ImageHere>')] }],
      /^message 1: its text spells <ImageHere> 2 times, but it has 1 image; write <ImageHere> once for each image/,
    ],
    [
      'too few places',
      [{ role: 'user', content: [image('a'), image('b'), text('<ImageHere>')] }],
      /^message 1: its text spells <ImageHere> once, but it has 2 images/,
    ],
  ])('with %s are refused in one line', (_, messages, line) => {
    const reading = () => readMessages(messages as unknown as ChatMessage[])
    expect(reading).toThrow(InputError)
    expect(reading).toThrow(line)
  })
})
