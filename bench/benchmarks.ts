/** The table of benchmarks: a new one is a file and a line here. */
import { batchingBenchmark } from './batching.js'
import type { Benchmark } from './benchmark.js'
import { decodeBenchmark } from './decode.js'
import { imageBenchmark } from './image.js'
import { llamaBenchmark } from './llama.js'
import { lookupBenchmark } from './lookup.js'
import { memoryBenchmark } from './memory.js'
import { ploraBenchmark } from './plora.js'
import { profileBenchmark } from './profile.js'
import { quantizeBenchmark } from './quantize.js'
import { roundingBenchmark } from './rounding.js'
import { serveBenchmark } from './serve.js'
import { soakBenchmark } from './soak.js'
import { startBenchmark } from './start.js'
import { trainBenchmark } from './train.js'

export const benchmarks: Readonly<Record<string, Benchmark>> = {
  train: trainBenchmark,
  decode: decodeBenchmark,
  batching: batchingBenchmark,
  image: imageBenchmark,
  llama: llamaBenchmark,
  memory: memoryBenchmark,
  plora: ploraBenchmark,
  lookup: lookupBenchmark,
  serve: serveBenchmark,
  soak: soakBenchmark,
  start: startBenchmark,
  profile: profileBenchmark,
  rounding: roundingBenchmark,
  quantize: quantizeBenchmark,
}
