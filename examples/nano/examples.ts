// The demo's questions: the first ones of every evaluation set, whatever the model makes of them.
import { readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { repositoryRoot, workRoot, writeWhole } from './paths.js'
import type { EvalRecord } from './records.js'

const shares = { naming_known: 4, naming_unseen: 2, flags: 3, ocr: 2, pointing: 2, counting: 2, charts: 3 } as const

/** Writes examples/questions.jsonl and its pictures. Needs work/eval. */
export function makeExampleQuestions(): void {
  const records = Object.entries(shares).flatMap(([set, count]) => first(set, count))
  const lines = records.map((record): EvalRecord => {
    const images = record.images.map((image) => {
      const folder = basename(dirname(image))
      const file = `questions/${folder}-${basename(image)}`
      writeWhole(join(repositoryRoot, 'examples', file), readFileSync(join(workRoot, 'eval', image)))
      return file
    })
    return { ...record, images }
  })
  const root = join(repositoryRoot, 'examples')
  writeWhole(join(root, 'questions.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
  writeWhole(
    join(root, 'questions', 'CREDITS.md'),
    `# Credits

The first questions of every evaluation set of \`recipes/nano\`, with their pictures. Drawings of things and flags come from these icon
sets, rendered on white or into scenes; the file names say which: emojione (EmojiTwo, CC BY 4.0), fluent-emoji-flat (Microsoft, MIT),
noto and noto-v1 (Google, Apache-2.0), twemoji (Twitter, CC BY 4.0), openmoji (OpenMoji, CC BY-SA 4.0), flag-icons (MIT). Words are set in Nunito
(OFL-1.1); charts are drawn from tables of vega-datasets (BSD-3-Clause).
`,
  )
  console.log(`examples/questions.jsonl: ${lines.length} questions`)
}

/** The first questions of a set, its tasks (languages, held-out drawings) in turn. */
function first(set: string, count: number): EvalRecord[] {
  const all = readFileSync(join(workRoot, 'eval', `${set}.jsonl`), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as EvalRecord)
  const tasks = [...new Set(all.map(({ task }) => task))].sort().map((task) => all.filter((record) => record.task === task))
  return Array.from({ length: count }, (_, i) => tasks[i % tasks.length]?.[Math.floor(i / tasks.length)]).filter(
    (record) => record !== undefined,
  )
}
