// Properties of the nano data that need no data package: the held-out rule, boxes, composition strings, PNG bytes.
import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { accepted, blockSums, nearest, questionShape } from './baselines.js'
import { boxText, coordinateText } from './boxes.js'
import { captionQas, type Line, locateQa, selectQa } from './composition.js'
import { type Concept, heldOutVendor, iconName, trainingVendors } from './concepts.js'
import { attributes, pairHeldOut } from './countries.js'
import { kinds } from './kinds.js'
import { encodePng } from './png.js'
import { palette } from './questions.js'
import { crc32, random } from './random.js'
import { dialogue, groupTurns } from './records.js'
import { fitSides, place, relation } from './scenes.js'
import { paletteIndex } from './sprites.js'
import { scaled } from './tables.js'
import { shortGloss, withArticle } from './wordnet.js'

describe('what is held out', () => {
  it('uses the published CRC-32 check value', () => {
    expect(crc32('123456789')).toBe(0xcbf43926)
  })

  it('picks one training vendor per concept, whatever the order of the list', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.shuffledSubarray([...trainingVendors], { minLength: 3 }), (icon, vendors) => {
        const sorted = [...vendors].sort()
        expect(heldOutVendor(icon, vendors)).toBe(sorted[crc32(icon) % sorted.length])
      }),
    )
  })

  it('holds out about one fifth of the country facts', () => {
    const codes = Array.from({ length: 26 * 26 }, (_, i) => String.fromCharCode(65 + Math.floor(i / 26), 65 + (i % 26)))
    const held = codes.flatMap((code) => attributes.filter((attribute) => pairHeldOut(code, attribute)))
    expect(held.length / (codes.length * attributes.length)).toBeGreaterThan(0.16)
    expect(held.length / (codes.length * attributes.length)).toBeLessThan(0.24)
  })
})

describe('boxes', () => {
  it('prints multiples of 1/32 with two decimals, ties to even', () => {
    expect([0, 4 / 32, 12 / 32, 20 / 32, 28 / 32, 14 / 32, 1].map(coordinateText)).toEqual([
      '0.00',
      '0.12',
      '0.38',
      '0.62',
      '0.88',
      '0.44',
      '1.00',
    ])
    for (let i = 0; i <= 32; i++) expect(Math.round(Number(coordinateText(i / 32)) * 32)).toBe(i)
  })

  it('stay inside the picture, do not touch, and are written in 0..1', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.integer({ min: 1, max: 96 }),
        fc.integer({ min: 1, max: 96 }),
        fc.integer({ min: 8, max: 36 }),
        (seed, w, h, side) => {
          const rng = random(seed)
          const { width, height } = fitSides([0, 0, w, h], side)
          expect(Math.max(width, height)).toBe(side)
          const first = place(width, height, [], 64, rng)!
          const second = place(width, height, [first], 64, rng)
          for (const box of second ? [first, second] : [first]) {
            expect(Math.min(box.left, box.top)).toBeGreaterThanOrEqual(0)
            expect(Math.max(box.right, box.bottom)).toBeLessThanOrEqual(64)
            for (const part of boxText(box, 64).slice(1, -1).split(',')) expect(part).toMatch(/^(0\.\d\d|1\.00)$/)
          }
          if (second)
            expect(
              first.right < second.left || second.right < first.left || first.bottom < second.top || second.bottom < first.top,
            ).toBe(true)
        },
      ),
    )
  })

  it('relations are opposite when the two things are swapped', () => {
    const at = (left: number, top: number) => ({ left, top, right: left + 10, bottom: top + 10 })
    expect(relation(at(0, 0), at(40, 5))).toBe('leftOf')
    expect(relation(at(40, 5), at(0, 0))).toBe('rightOf')
    expect(relation(at(5, 0), at(0, 40))).toBe('above')
    expect(relation(at(0, 40), at(5, 0))).toBe('below')
    expect(relation(at(0, 0), at(3, 3))).toBeUndefined()
  })
})

describe('composition strings', () => {
  const concept = (en: string, zh: string): Concept => ({
    icon: iconName(en),
    hexcode: '',
    en,
    zh,
    namesEn: [en],
    namesZh: [zh],
    tagsEn: [],
    tagsZh: [],
    subgroup: 'other-object',
    vendors: [],
    unseen: false,
  })
  const lines: Line[] = [
    { text: '开头。' },
    { text: '钟楼很高。', concept: concept('tower', '钟楼') },
    { text: '樱花开了。', concept: concept('blossom', '樱花') },
    { text: '结束。' },
  ]

  it('locate names the lines that have something to show', () => {
    expect(locateQa(lines, 1)).toEqual({
      q: '给定文章"<Seg0> 开头。\n<Seg1> 钟楼很高。\n<Seg2> 樱花开了。\n<Seg3> 结束。\n" 根据上述文章，选择适合插入图像的1行',
      a: '适合插入图像的行是<Seg1>',
    })
    expect(locateQa(lines).a).toBe('适合插入图像的行是<Seg1> <Seg2>')
  })

  it('the second caption question records the first caption, as the reference does', () => {
    const [first, second] = captionQas(lines, [1, 2], 'zh')
    expect(first).toEqual({
      q: '给定文章"<Seg0> 开头。\n<Seg1> 钟楼很高。\n<Seg2> 樱花开了。\n" 给出适合在<Seg1>后插入的图像对应的标题。',
      a: '标题是"钟楼"',
    })
    expect(second?.q.endsWith('" 现在<Seg1>后插入图像对应的标题是"钟楼"。给出适合在<Seg2>后插入的图像对应的标题。')).toBe(true)
  })

  it('select joins context and candidates with placeholders', () => {
    expect(selectQa(['一。\n', '二。\n'], 2, 1)).toEqual({
      q: '根据给定上下文和候选图像，选择合适的配图：一。\n<ImageHere>二。\n候选图像包括: A.<ImageHere>\nB.<ImageHere>',
      a: '最合适的图是B',
    })
  })
})

describe('baselines', () => {
  it('the nearest picture is the one a plain search finds', () => {
    const rng = random('nearest')
    const picture = () => {
      const base = rng.int(0, 255)
      const pixels = Uint8Array.from({ length: 64 * 64 * 3 }, () => Math.min(255, base + rng.int(0, 60)))
      return { pixels, blocks: blockSums(pixels) }
    }
    const candidates = Array.from({ length: 40 }, picture)
    for (let i = 0; i < 10; i++) {
      const target = picture()
      const distances = candidates.map((c) => c.pixels.reduce((sum, v, k) => sum + (v - target.pixels[k]!) ** 2, 0))
      expect(nearest(target, candidates)).toBe(distances.indexOf(Math.min(...distances)))
    }
  })

  it('accepts other spellings of case and boxes that overlap by half', () => {
    const record = { id: '', task: '', images: [], question: '' }
    expect(accepted({ ...record, answers: ['Paris'], scorer: 'exact' }, ' paris')).toBe(true)
    expect(accepted({ ...record, answers: ['[0.00,0.00,0.50,0.50]'], scorer: 'box' }, '[0.00,0.00,0.50,0.38]')).toBe(true)
    expect(accepted({ ...record, answers: ['[0.00,0.00,0.50,0.50]'], scorer: 'box' }, '[0.25,0.25,0.75,0.75]')).toBe(false)
    expect(questionShape('Where is the red apple?')).toBe(questionShape('Where is the cat?'))
  })
})

describe('small parts', () => {
  it('writes PNG files that sharp reads back exactly', async () => {
    const rgba = Uint8ClampedArray.from({ length: 5 * 3 * 4 }, (_, i) => (i % 4 === 3 ? 255 : (i * 37) % 256))
    const { data, info } = await sharp(encodePng(rgba, 5, 3))
      .raw()
      .toBuffer({ resolveWithObject: true })
    expect([info.width, info.height, info.channels]).toEqual([5, 3, 3])
    expect([...data]).toEqual([...rgba].filter((_, i) => i % 4 !== 3))
    const rgb = Uint8Array.from([...rgba].filter((_, i) => i % 4 !== 3))
    expect(encodePng(rgb, 5, 3, 3)).toEqual(encodePng(rgba, 5, 3))
    expect(() => encodePng(rgba, 4, 4)).toThrow(/RGBA bytes/)
  })

  it('shapes glosses and articles', () => {
    expect(shortGloss('fruit with red skin (of trees) and flesh; "an apple a day"  ')).toBe('fruit with red skin and flesh')
    expect(['apple', 'unicorn', 'umbrella', 'the sea', 'glasses', 'bus', 'octopus'].map(withArticle)).toEqual([
      'an apple',
      'a unicorn',
      'an umbrella',
      'the sea',
      'glasses',
      'a bus',
      'an octopus',
    ])
  })

  it('scales tables to different whole numbers below one hundred', () => {
    expect(scaled([0.103, 0.4, 0.25])).toEqual([10, 40, 25])
    expect(scaled([1234567, 2500000])).toEqual([12, 25])
    expect(scaled([5, 5])).toBeUndefined()
    expect(scaled([-1, 5])).toBeUndefined()
  })

  it('recognises every palette colour as itself', () => {
    for (const [i, { rgb }] of palette.entries()) expect(palette[paletteIndex(rgb[0], rgb[1], rgb[2])]?.en).toBe(palette[i]?.en)
  })

  it('puts placeholders first, keeps every turn once, and refuses empty dialogues', () => {
    const turns = Array.from({ length: 11 }, (_, i) => ({ q: `q${i}`, a: `a${i}` }))
    const groups = groupTurns(turns, 2, 5, random('groups'))
    expect(
      groups
        .flat()
        .map((t) => t.q)
        .sort(),
    ).toEqual(turns.map((t) => t.q).sort())
    expect(groups.every((g) => g.length <= 5)).toBe(true)
    expect(dialogue('x', turns.slice(0, 1), ['a.png', 'b.png']).conversations[0]?.value).toBe('<ImageHere><ImageHere>q0')
    expect(() => dialogue('x', [])).toThrow(/no turns/)
  })

  it('the generator of random numbers repeats itself for the same seed only', () => {
    const draw = (seed: string) => Array.from({ length: 5 }, () => 0).map(() => random(seed).next())
    expect(draw('a')).toEqual(draw('a'))
    expect(random('a').next()).not.toBe(random('b').next())
    expect(kinds.size).toBe(49)
  })

  it('the tokenizer script is a valid shell script', () => {
    execFileSync('sh', ['-n', new URL('./tokenizer.sh', import.meta.url).pathname])
  })
})
