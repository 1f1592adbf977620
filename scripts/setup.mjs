/**
 * Set-up of a checkout: installs what package-lock.json names when it is not there yet, and compiles when a source changed. Run before
 * the tests and the demo, so it must be quick when there is nothing to do. No shell, so that it works the same on every system.
 *
 * node scripts/setup.mjs [--quiet]
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const LOWEST_NODE = [20, 19]

/** Whether a Node version such as "20.19.0" is recent enough. */
export function nodeIsRecent(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > LOWEST_NODE[0] || (major === LOWEST_NODE[0] && minor >= LOWEST_NODE[1])
}

/**
 * The first package of package-lock.json that is not installed in that version, or undefined. npm writes its record of what is
 * installed last, so an install that broke off counts as missing. Optional packages are those of other systems.
 */
export function missingPackage(root) {
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages
  const record = join(root, 'node_modules', '.package-lock.json')
  const installed = existsSync(record) ? JSON.parse(readFileSync(record, 'utf8')).packages : {}
  return Object.keys(wanted).find((path) => {
    const { version, optional } = wanted[path]
    const found = installed[path]
    if (path === '' || (optional && !found)) return false
    return found?.version !== version || !existsSync(join(root, path))
  })
}

/** A fingerprint of every source that tsc reads: path, size and time of change. */
export function sourcesFingerprint(root) {
  const names = ['package-lock.json', 'tsconfig.json', 'src', 'bench', 'examples', 'tests']
  return fingerprint(root, names, (name) => name.endsWith('.ts'))
}

/** A fingerprint of what the web app is built of. */
export function webFingerprint(root) {
  const shared = ['src/common/escape-html.ts', 'src/data/box.ts', 'src/server/app-api', 'examples/questions/large']
  const own = ['web/index.html', 'web/vite.config.ts', 'web/public', 'web/src']
  return fingerprint(root, ['package-lock.json', ...own, ...shared], (name) => !name.includes('.test.'))
}

function fingerprint(root, names, counts) {
  const hash = createHash('sha256')
  const visit = (path) => {
    const stat = statSync(path, { throwIfNoEntry: false })
    if (!stat) return
    if (!stat.isDirectory()) {
      hash.update(`${relative(root, path)} ${stat.size} ${stat.mtimeMs}\n`)
      return
    }
    for (const entry of readdirSync(path, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const skipped =
        entry.name === 'node_modules' || entry.name === 'work' || (entry.name === 'data' && path === join(root, 'tests'))
      if (skipped || !(entry.isDirectory() || counts(entry.name))) continue
      visit(join(path, entry.name))
    }
  }
  for (const name of names) visit(join(root, name))
  return hash.digest('hex')
}

function fail(message) {
  process.stderr.write(`setup: ${message}\n`)
  process.exit(1)
}

/** npm's own script, beside this node or the npm that started us; running it by node needs no shell on Windows. */
export function npmScript() {
  const beside = dirname(process.execPath)
  const places = [
    process.env.npm_execpath,
    join(beside, 'node_modules', 'npm', 'bin', 'npm-cli.js'),
    join(beside, '..', 'lib', 'node_modules', 'npm', 'bin', 'npm-cli.js'),
    join(beside, '..', 'share', 'nodejs', 'npm', 'bin', 'npm-cli.js'),
    '/usr/share/nodejs/npm/bin/npm-cli.js',
  ]
  return places.find((place) => place && /npm-cli\.c?js$/.test(place) && existsSync(place))
}

function runNode(root, script, args, quiet, env = {}) {
  // A quiet set-up stays out of the results on stdout; what it prints is shown when it fails.
  const stdio = quiet ? 'pipe' : ['ignore', 2, 2]
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [script, ...args], {
    cwd: root,
    stdio,
    env: { ...process.env, ...env },
    maxBuffer: 100_000_000,
  })
  if (status !== 0 && quiet) process.stderr.write(`${stdout ?? ''}${stderr ?? ''}`)
  return error ? error.message : status === 0 ? undefined : `exit code ${status}`
}

function main() {
  const root = join(dirname(fileURLToPath(import.meta.url)), '..')
  const quiet = process.argv.includes('--quiet')
  const say = (line) => quiet || process.stderr.write(`setup: ${line}\n`)
  if (!nodeIsRecent(process.versions.node))
    fail(`Node ${process.versions.node} is too old; install Node ${LOWEST_NODE.join('.')} or newer`)

  const missing = missingPackage(root)
  if (missing) {
    const npm = npmScript()
    if (!npm) fail('npm was not found beside node; run npm ci --ignore-scripts and try again')
    say(`installing packages (${missing} is missing or has another version)`)
    const args = ['ci', '--ignore-scripts', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error']
    const problem = runNode(root, npm, args, quiet, { ONNXRUNTIME_NODE_INSTALL: 'skip' })
    if (problem) fail(`npm ci failed (${problem}); check the network and package-lock.json, then try again`)
  }

  const node = (script, args) => () => runNode(root, join(root, 'node_modules', ...script), args, quiet)
  const compile = node(['typescript', 'bin', 'tsc'], ['-p', 'tsconfig.json'])
  const bundle = node(['vite', 'bin', 'vite.js'], ['build', '--config', join('web', 'vite.config.ts'), '--logLevel', 'warn'])
  step(root, '.setup-stamp', sourcesFingerprint(root), 'tsc', compile, () => say('compiling'))
  step(root, '.web-stamp', webFingerprint(root), 'vite', bundle, () => say('building the web app'))
}

/** Runs what makes a part of dist/ unless it was made of the same sources before. */
function step(root, name, fingerprint, tool, make, begin) {
  const stamp = join(root, 'dist', name)
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === fingerprint) return
  begin()
  const problem = make()
  if (problem) fail(`${tool} failed (${problem}); mend the errors above`)
  mkdirSync(dirname(stamp), { recursive: true })
  const temporary = `${stamp}.${process.pid}.tmp`
  writeFileSync(temporary, fingerprint)
  renameSync(temporary, stamp)
}

if (process.argv[1] && realpathSync(process.argv[1]) === realpathSync(fileURLToPath(import.meta.url))) main()
