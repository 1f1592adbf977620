import type { BenchOptions, BenchResult } from './main.js'
export async function benchDecode(_o: BenchOptions): Promise<BenchResult> {
  throw new Error('soon')
}
