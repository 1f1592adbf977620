#!/usr/bin/env node
// The command of the package. What it does is in src/cli.
import { existsSync } from 'node:fs'

const compiled = (name) => new URL(`../dist/src/cli/${name}.js`, import.meta.url)

if (!existsSync(compiled('main'))) {
  process.stderr.write('xcomposer: not built yet; run npm run setup in the repository first\n')
  process.exit(1)
}
const [{ main }, { runProcess }] = await Promise.all([import(compiled('main')), import(compiled('process'))])
await runProcess((io) => main(process.argv.slice(2), io))
