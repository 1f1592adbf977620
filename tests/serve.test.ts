/** The built server as a process: its one line, signals, and the examples of docs/serve.md as they are printed. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import ts from 'typescript'
import { afterEach, describe, expect, it } from 'vitest'
import { codeBlocks } from './support/code-examples.js'

const root = join(import.meta.dirname, '..')
const bin = join(root, 'bin', 'xcomposer.js')

interface Running {
  readonly child: ChildProcess
  readonly url: string
  readonly written: { out: string; err: string }
  readonly ended: Promise<number | null>
}

const running: Running[] = []
afterEach(async () => {
  for (const { child, ended } of running.splice(0)) {
    child.kill('SIGKILL')
    await ended
  }
})

/** Starts a server on a free port and waits for its line. */
async function serve(...argv: string[]): Promise<Running> {
  const child = spawn(process.execPath, [bin, 'serve', '--port', '0', '--threads', '1', ...argv], { cwd: root, stdio: 'pipe' })
  const written = { out: '', err: '' }
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  child.stderr.on('data', (chunk: Buffer) => {
    written.err += chunk
  })
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      written.out += chunk
      const found = /^listening on (http:\/\/\S+)\n/.exec(written.out)?.[1]
      if (found) resolve(found)
    })
    ended.then((code) => reject(new Error(`exit ${code}: ${written.err}`)))
  })
  const one = { child, url, written, ended }
  running.push(one)
  return one
}

function ask(url: string, body: object): Promise<Response> {
  return fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
}

const long = {
  messages: [{ role: 'user', content: 'Write a short illustrated article about «The apple».' }],
  temperature: 1,
  seed: 1,
}

describe.skipIf(process.platform === 'win32')('xcomposer serve', () => {
  it('prints one line, lets an answer in flight end at SIGTERM, and exits with 0', async () => {
    const { child, url, written, ended } = await serve('--slots', '2')
    // What decodes and computes is in a process of its own, whose death this one survives.
    if (process.platform === 'linux')
      expect(readFileSync(`/proc/${child.pid}/maps`, 'latin1')).not.toMatch(/onnxruntime|libvips|koffi/)
    const response = await ask(url, { ...long, stream: true, max_tokens: 200 })
    child.kill('SIGTERM')
    const text = await response.text()
    expect(text).toMatch(/"finish_reason":"(stop|length)"/)
    expect(text).toMatch(/data: \[DONE\]\n\n$/)
    expect(await ended).toBe(0)
    expect(written.out).toBe(`listening on ${url}\n`)
    for (const line of written.err.trimEnd().split('\n'))
      expect(JSON.parse(line)).toMatchObject({ level: 'info', message: expect.any(String) })
    expect(written.err).not.toContain('illustrated')
  })

  it('refuses what it cannot do in one line', async () => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    const { port } = taken.address() as { port: number }
    const call = (...argv: string[]) => {
      const { status, stdout, stderr } = spawnSync(process.execPath, [bin, 'serve', ...argv], { encoding: 'utf8', cwd: root })
      return { status, stdout, last: stderr.trimEnd().split('\n').at(-1) }
    }
    expect(call('--port', '70000')).toEqual({
      status: 2,
      stdout: '',
      last: expect.stringContaining('--port: expected a whole number'),
    })
    expect(call('--model', 'nothing-here')).toMatchObject({
      status: 2,
      stdout: '',
      last: expect.stringContaining('nothing-here'),
    })
    expect(call('--context', '5000')).toMatchObject({ status: 2, stdout: '', last: expect.stringContaining('context: got 5000') })
    expect(call('extra')).toMatchObject({ status: 2, stdout: '' })
    expect(call('--port', String(port), '--threads', '1')).toMatchObject({ status: 1, stdout: '' })
    taken.close()
  })

  it('answers the examples of the page as they are printed', async () => {
    const { url } = await serve('--prefix-cache', '0', '--image-cache', '1')
    const caches = await (await fetch(`${url}/v1/cache`)).json()
    expect(caches).toMatchObject({ prefix: { max_bytes: 0 }, image: { max_bytes: 2 ** 20 } })
    const blocks = codeBlocks(root, 'docs/serve.md')
    expect(blocks.length).toBeGreaterThanOrEqual(2)
    const folder = join(root, 'out', `serve-${process.pid}`)
    mkdirSync(folder, { recursive: true })
    try {
      for (const [i, { code }] of blocks.entries()) {
        const here = code.replaceAll('http://127.0.0.1:8080', url)
        expect(here).not.toBe(code)
        const options = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext }
        const file = join(folder, `${i}.mjs`)
        writeFileSync(file, ts.transpileModule(here, { compilerOptions: options }).outputText)
        const { status, out, err } = await run(file)
        expect([status, err]).toEqual([0, ''])
        expect(out.trim()).not.toBe('')
      }
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

function run(file: string): Promise<{ status: number | null; out: string; err: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [file], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
    const written = { out: '', err: '' }
    child.stdout.on('data', (chunk: Buffer) => {
      written.out += chunk
    })
    child.stderr.on('data', (chunk: Buffer) => {
      written.err += chunk
    })
    child.on('close', (status) => resolve({ status, ...written }))
  })
}
