/** `xcomposer compose`: an illustrated article about a subject, as one HTML file or as data. */

import { InputError } from '../common/errors.js'
import { type Article, compose } from '../compose/compose.js'
import { renderHtml, writeArticle } from '../compose/render-html.js'
import { type Library, openLibrary } from '../library/library.js'
import { type Command, onlyPositional } from './command.js'
import { type Io, progressLine } from './io.js'
import { modelDirectory, modelHelp, modelOptions } from './model-choice.js'
import { loadModel } from './model-options.js'
import { checkOutputFile } from './output-file.js'

/** Lines about the library that are printed; more are counted. */
const MOST_WARNINGS = 10

export const composeCommand: Command = {
  name: 'compose',
  summary: 'write an illustrated article',
  options: {
    ...modelOptions,
    library: { type: 'string', short: 'l' },
    out: { type: 'string', short: 'o' },
    language: { type: 'string' },
    images: { type: 'string' },
    seed: { type: 'string' },
    temperature: { type: 'string' },
    json: { type: 'boolean' },
  },
  help: `Usage: xcomposer compose "SUBJECT" --library DIR --out FILE.html [options]

Writes an article about the subject and puts pictures of the library where they belong. The page is one file that holds
everything, pictures included.

  -l, --library DIR          folder of pictures; library.json in it may name and describe them
  -o, --out FILE.html        the page to write
      --language en|zh       language of the article (default: of the subject)
      --images N             how many pictures to ask for, 0 to 60 (default 6)
      --seed N               another seed gives another article (default 8909)
      --temperature T        0 to 10; 0 takes the likeliest word each time (default: the model's, or 1)
      --json                 print the article's structure; --out may then be left out
${modelHelp}

Example:
  xcomposer compose "The apple" --library examples/library --out apple.html
`,
  async run(args, io) {
    const subject = onlyPositional(args, 'compose', 'a subject in quotes')
    const libraryDir = args.text('library')
    const out = args.text('out')
    const json = args.flag('json')
    if (libraryDir === undefined) throw new InputError('compose: --library is missing; name a folder of pictures')
    if (out === undefined && !json) throw new InputError('compose: --out is missing; name the HTML file to write, or use --json')
    if (out !== undefined) checkOutputFile('--out', out)
    const language = args.oneOf('language', ['en', 'zh'] as const) ?? languageOf(subject)
    const images = args.wholeNumber('images', 0, 60)
    const seed = args.wholeNumber('seed', 0, 2 ** 32 - 1)
    const temperature = args.number('temperature', 0, 10)
    modelDirectory(args)

    const library = await openedLibrary(libraryDir, io)
    for (const warning of library.warnings.slice(0, MOST_WARNINGS)) io.err(`${libraryDir}: ${warning}\n`)
    const more = library.warnings.length - MOST_WARNINGS
    if (more > 0) io.err(`${libraryDir}: and ${more} more lines of this kind\n`)
    const model = await loadModel(args, io)
    const progress = progressLine(io, 0)
    try {
      const article = await compose({
        subject,
        language,
        library,
        model,
        signal: io.signal,
        onProgress: ({ step, done, total }) => progress.update(`${step} ${done}/${total}`),
        ...(images === undefined ? {} : { images }),
        ...(seed === undefined ? {} : { seed }),
        ...(temperature === undefined ? {} : { temperature }),
      })
      progress.end()
      for (const note of article.notes) io.err(`${note}\n`)
      if (out !== undefined) writeArticle(out, await renderHtml(article, { model: model.name }))
      io.out(json ? `${JSON.stringify(structure(article), undefined, 2)}\n` : `${out}\n`)
      return 0
    } finally {
      progress.end()
      await model.dispose()
    }
  },
}

/** A library of any ordinary size is read before anyone wonders; beyond a second a line tells how far it is. */
async function openedLibrary(dir: string, io: Io): Promise<Library> {
  const progress = progressLine(io)
  const began = Date.now()
  try {
    return await openLibrary(dir, {
      signal: io.signal,
      onProgress: (done, total) => {
        if (Date.now() - began > 1000) progress.update(`library ${done}/${total}`)
      },
    })
  } finally {
    progress.end()
  }
}

/** The article without the questions that led to it. */
function structure({ trace: _, ...article }: Article): Omit<Article, 'trace'> {
  return article
}

/** Chinese when the subject holds a Chinese character. */
export function languageOf(text: string): 'en' | 'zh' {
  return /\p{Script=Han}/u.test(text) ? 'zh' : 'en'
}
