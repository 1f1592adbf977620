import { expect, it } from 'vitest'
import { smallConfig } from '../../tests/support/random-model.js'
import type { Value } from '../engine/index.js'
import { parseModelConfig } from '../model/config.js'
import { KvCache } from './kv-cache.js'

it.each([4, 16])('gives back the keys of heads of %i without what the cache adds', (headDim) => {
  const config = { ...smallConfig, hidden_size: 2 * headDim, num_attention_heads: 2, num_hidden_layers: 1 }
  const { decoder } = parseModelConfig(config, 'config.json')
  const cache = new KvCache(decoder, 1024)
  cache.reserve(3)
  cache.length = 2
  const { data, shape } = cache.keys[0] as Value<'f32'>
  const [, kvHeads, capacity, width] = shape as [number, number, number, number]
  // Each element says its head, position, half of the head and place in that half.
  data.forEach((_, i) => {
    const [row, place] = [Math.floor(i / width), i % width]
    const half = Math.floor(place / (width / 2))
    data[i] = 1000 * Math.floor(row / capacity) + 100 * (row % capacity) + 10 * half + (place % (width / 2))
  })
  const wanted: number[] = []
  for (let head = 0; head < kvHeads; head++)
    for (const position of [0, 1])
      for (const half of [0, 1])
        for (let place = 0; place < headDim / 2; place++) wanted.push(1000 * head + 100 * position + 10 * half + place)
  expect(Array.from(cache.filled('keys', 0))).toEqual(wanted)
  cache.dispose()
})
