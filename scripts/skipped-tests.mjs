/**
 * Lists the tests that a run skipped, each with its reason, and fails where one is not expected: a test that does not run must not pass
 * for one that does. The reasons stand here and nowhere else.
 *
 * node scripts/skipped-tests.mjs RESULTS.json   (what vitest's json reporter wrote)
 */
import { readFileSync, realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Tests that may be skipped, by the beginning of their full name, and why. */
export const allowed = [
  ['a model trained with spm_train', "SentencePiece's own programs are not installed"],
  ['the written data', "nano's training data are not made (npm run nano:data)"],
  ['the drawn samples', "nano's data packages or sprites are not there (npm run nano:data)"],
  ['does not hang where nothing can be made', 'only Linux has such a folder'],
  ['the web app in Chromium', 'no Chromium is installed (or name one in CHROMIUM)'],
  ['the package (npm and dist/ are needed) installed in an empty folder', 'the npm registry cannot be reached'],
]

/** What a test run skipped. @returns lines to print, and the full names that no reason covers */
export function skippedTests(results) {
  const skipped = results.testResults.flatMap(({ assertionResults }) =>
    assertionResults.filter(({ status }) => status !== 'passed' && status !== 'failed').map(({ fullName }) => fullName.trim()),
  )
  const reasonOf = (name) =>
    name.includes('(slow: ') ? 'XCOMPOSER_TESTS=all runs it' : allowed.find(([start]) => name.startsWith(start))?.[1]
  return {
    lines: skipped.map((name) => `skipped: ${name}: ${reasonOf(name) ?? 'NOT EXPECTED'}`),
    unexpected: skipped.filter((name) => reasonOf(name) === undefined),
  }
}

function main() {
  const { lines, unexpected } = skippedTests(JSON.parse(readFileSync(process.argv[2], 'utf8')))
  for (const line of lines) process.stdout.write(`${line}\n`)
  if (unexpected.length > 0) {
    process.stderr.write(`${unexpected.length} tests were skipped without a reason in scripts/skipped-tests.mjs\n`)
    process.exit(1)
  }
}

if (process.argv[1] && realpathSync(process.argv[1]) === realpathSync(fileURLToPath(import.meta.url))) main()
