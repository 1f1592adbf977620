/** llama.cpp answering several chats at once, on a q4_0 of the same shape with random weights: see peer/llama-batch.mjs. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { normals } from '../src/common/normal-numbers.js'
import { openModel } from '../src/model/open-checkpoint.js'
import { writeGguf } from './gguf.js'
import { Peer } from './peer-process.js'

/** Positions of the benchmark's own prompts, about. */
const PROMPT = 32

const ready = z.object({ about: z.string() })
const ran = z.object({ seconds: z.number().positive(), tokens: z.number().positive() })

/** A running peer. */
export class LlamaBatch {
  private constructor(
    private readonly peer: Peer,
    private readonly folder: string,
    /** What it is, for the results. */
    readonly about: string,
  ) {}

  /** @param installed folder in which node-llama-cpp is installed @param model directory whose shape it takes */
  static async start(installed: string, model: string, threads: number, sequences: number): Promise<LlamaBatch> {
    const folder = mkdtempSync(join(tmpdir(), 'xcomposer-bench-'))
    try {
      const gguf = join(folder, 'model.gguf')
      const draw = normals(0)
      const weights = Float32Array.from({ length: 1 << 20 }, () => 0.02 * draw())
      writeGguf(gguf, openModel(model).config.decoder, weights)
      const advice = '--node-llama-cpp needs a folder with that package installed, its binaries included'
      const peer = Peer.start(
        process.execPath,
        'llama-batch.mjs',
        [installed, gguf, `${threads}`, `${sequences}`],
        threads,
        advice,
      )
      const { about } = await peer.answer(ready)
      return new LlamaBatch(peer, folder, about)
    } catch (error) {
      rmSync(folder, { recursive: true, force: true })
      throw error
    }
  }

  /** Tokens a second of so many chats at once, their prompts included. */
  async rate(chats: number, newTokens: number): Promise<number> {
    const { seconds, tokens } = await this.peer.ask(`${chats} ${newTokens} ${PROMPT}`, ran)
    return tokens / seconds
  }

  async end(): Promise<void> {
    await this.peer.end()
    rmSync(this.folder, { recursive: true, force: true })
  }
}
