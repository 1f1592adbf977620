/** The built command as a process: interrupts, closed pipes, standard input. */
import { spawn, spawnSync } from 'node:child_process'
import { closeSync, cpSync, mkdtempSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'

const root = join(import.meta.dirname, '..')
const bin = join(root, 'bin', 'xcomposer.js')
const made = mkdtempSync(join(tmpdir(), 'process-'))
afterAll(() => rmSync(made, { recursive: true }))
const picture = join(
  root,
  'examples',
  'library',
  readdirSync(join(root, 'examples', 'library')).find((f) => f.endsWith('.webp')) ?? '',
)

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** Runs the command and interrupts it when its standard error (or, at once, nothing) has said `when`. */
function interrupted(argv: readonly string[], when: RegExp | undefined, signal: NodeJS.Signals = 'SIGINT'): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [bin, ...argv], { cwd: root, stdio: ['pipe', 'pipe', 'pipe'] })
    let [out, err, sent] = ['', '', false]
    const send = () => {
      if (!sent) child.kill(signal)
      sent = true
    }
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk
    })
    child.stderr.on('data', (chunk: Buffer) => {
      err += chunk
      if (when?.test(err)) send()
    })
    // The handler of signals is there once the command was loaded.
    if (!when) setTimeout(send, 1500)
    child.on('close', (code) => resolve({ code, out, err }))
  })
}

/** A recipe that trains for hours on two pictures. */
function endlessTraining(): string {
  const record = (image: string, colour: string) => ({
    image: join('img', image),
    conversations: [
      { from: 'user', value: '<ImageHere>What colour is this?' },
      { from: 'assistant', value: colour },
    ],
  })
  cpSync(join(root, 'tests', 'data', 'reports', 'finetune-nano', 'img'), join(made, 'img'), { recursive: true })
  writeFileSync(join(made, 'train.json'), JSON.stringify([record('0.jpg', 'red'), record('1.jpg', 'blue')]))
  const path = (...parts: string[]) => JSON.stringify(join(root, ...parts))
  const lines = [
    'stage: sft',
    `init: { config: ${path('recipes', 'tiny', 'config.json')} }`,
    `tokenizer: ${path('models', 'nano', 'tokenizer.model')}`,
    'out: model',
    'data: [{ file: train.json }]',
    'batch_size: 2',
    'max_length: 128',
    'steps: 100000',
    'learning_rate: 1.0e-3',
    'checkpoint_every: 50000',
    'threads: 1',
  ]
  writeFileSync(join(made, 'train.yaml'), lines.join('\n'))
  return join(made, 'train.yaml')
}

describe.skipIf(process.platform === 'win32')('an interrupt', () => {
  it('while the question is waited for ends with 130 and without a word', async () => {
    expect(await interrupted(['chat'], undefined)).toEqual({ code: 130, out: '', err: '' })
  })

  it('of training keeps its state, and what is called again goes on from there', async () => {
    const recipe = endlessTraining()
    const { code, err } = await interrupted(['train', recipe], /step +\d+\//)
    expect([code, err.includes('    at ')]).toEqual([130, false])
    expect(readdirSync(join(made, 'model', 'state'))).not.toEqual([])
    const again = await interrupted(['train', recipe], /step +\d+\//)
    expect([again.code, Number(/step +(\d+)\//.exec(again.err)?.[1])]).toEqual([130, expect.any(Number)])
    expect(Number(/step +(\d+)\//.exec(again.err)?.[1])).toBeGreaterThan(Number(/step +(\d+)\//.exec(err)?.[1]))
  })

  it('by the system ends in the same way', async () => {
    expect((await interrupted(['verify', join(root, 'tests', 'data', 'goldens')], undefined, 'SIGTERM')).code).toBe(130)
  })
})

describe.skipIf(process.platform === 'win32')('pipes', () => {
  const shell = (command: string) => spawnSync('bash', ['-c', `set -o pipefail; ${command}`], { cwd: root, encoding: 'utf8' })

  it('that are closed early end it quietly', () => {
    const { stderr, stdout, status } = shell(`node ${bin} verify tests/data/goldens | head -1`)
    expect([stderr, status]).toEqual(['', 0])
    expect(stdout.split('\n')).toHaveLength(2)
  })

  it('bring a picture, and a question', () => {
    const whole = shell(`node ${bin} chat --image ${picture} "What is this?"`)
    expect([whole.status, whole.stderr]).toEqual([0, ''])
    for (const command of [
      `cat ${picture} | node ${bin} chat --image - "What is this?"`,
      `node ${bin} chat --image <(cat ${picture}) "What is this?"`,
      `echo "What is this?" | node ${bin} chat --image ${picture}`,
    ]) {
      expect(shell(command).stdout, command).toBe(whole.stdout)
    }
  })
})

it.runIf(process.platform === 'linux')('output that a full disk cannot take ends with 1 and a line', () => {
  const full = openSync('/dev/full', 'w')
  const { status, stderr } = spawnSync(process.execPath, [bin, 'inspect'], { stdio: ['ignore', full, 'pipe'], encoding: 'utf8' })
  closeSync(full)
  expect(status).toBe(1)
  expect(stderr).toMatch(/^xcomposer: ENOSPC[^\n]*\n$/)
})
