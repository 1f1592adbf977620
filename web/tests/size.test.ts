/** What a browser loads before the first screen is there. Needs dist/. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'

const dist = join(import.meta.dirname, '..', '..', 'dist', 'web')
const files = readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((file) => /\.\w+$/.test(file))
const read = (file: string) => readFileSync(join(dist, file))

describe('the built web app', () => {
  it('is loaded in less than 200 kB, compressed, pictures of the first screen included', () => {
    const bytes = files.reduce(
      (sum, file) => sum + (/\.(webp|png)$/.test(file) ? read(file).length : gzipSync(read(file)).length),
      0,
    )
    expect(bytes).toBeGreaterThan(20_000)
    expect(bytes).toBeLessThan(200_000)
  })

  it('has no inline script or style, and names no other server', () => {
    const html = read('index.html').toString()
    expect(html).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=/)
    for (const file of files.filter((name) => /\.(html|css|webmanifest)$/.test(name))) {
      const addresses = [
        ...read(file)
          .toString()
          .matchAll(/https?:\/\/[\w.-]+/g),
      ].map(([address]) => address)
      // Names of XML's vocabularies, which nothing fetches.
      expect(
        addresses.filter((address) => !address.startsWith('http://www.w3.org')),
        file,
      ).toEqual([])
    }
  })
})
