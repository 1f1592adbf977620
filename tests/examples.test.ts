/** What README, pages and `@example`s show compiles under `strict` against the public API. */
import { join, resolve } from 'node:path'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { allExamples, type CodeExample } from './support/code-examples.js'

const root = resolve(import.meta.dirname, '..')

/** What an `@example` may take as given, since it stands beside a function and not in a program. */
const given: Readonly<Record<string, string>> = {
  model: 'XComposer',
  library: 'Library',
  messages: 'ChatMessage[]',
  questions: 'string[]',
  g: 'Graph',
}
const publicNames = exportedNames('src/index.ts')
const engineNames = exportedNames('src/engine/index.ts')

/** The compiler's options for a user's project: nothing stricter than `strict`. */
const options: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  lib: ['lib.es2023.d.ts'],
  types: ['node'],
  strict: true,
  skipLibCheck: true,
  noEmit: true,
  baseUrl: root,
  paths: { xcomposer: ['src/index.ts'], 'xcomposer/*': ['src/*/index.ts'] },
}

/** Files of the project and its libraries, read once for all programs. */
const read = new Map<string, ts.SourceFile>()

/** Errors of the examples as `file:line: message`. */
function check(examples: readonly CodeExample[]): string[] {
  const files = new Map(examples.map((example) => [moduleOf(example), example]))
  const host = ts.createCompilerHost(options)
  const { readFile, fileExists, getSourceFile } = host
  const text = (name: string) => {
    const example = files.get(resolve(name))
    return example && asModule(example)
  }
  host.fileExists = (name) => files.has(resolve(name)) || fileExists(name)
  host.readFile = (name) => text(name) ?? readFile(name)
  host.getSourceFile = (name, version, ...rest) => {
    const own = text(name)
    if (own !== undefined) return ts.createSourceFile(name, own, version, true)
    const known = read.get(name) ?? getSourceFile(name, version, ...rest)
    if (known) read.set(name, known)
    return known
  }
  const program = ts.createProgram([...files.keys()], options, host)
  return [...files].flatMap(([name, { file }]) => {
    const source = program.getSourceFile(name)
    if (!source) return [`${file}: was not read`]
    return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map(
      ({ start = 0, messageText }) => {
        const { line } = source.getLineAndCharacterOfPosition(start)
        return `${file}:${line + 1}: ${typeof messageText === 'string' ? messageText : messageText.messageText}`
      },
    )
  })
}

/**
 * Where the example's module would lie: a page's block that begins with `// src/x/y.ts` is that file, anything else a program of a user;
 * an `@example` lies beside its source.
 */
function moduleOf({ file, line, code, kind }: CodeExample): string {
  const claimed = /^\/\/ ((?:src|tests|examples)\/[\w./-]+\.ts)\s*$/m.exec(code.split('\n')[0] ?? '')?.[1]
  if (claimed !== undefined) return join(root, claimed)
  return join(root, kind === 'source' ? join(file, '..') : 'examples-of-pages', `${file.replace(/\W/g, '-')}-${line}.ts`)
}

/** The code at the line where it stands, so that errors name it; imports that an `@example` leaves out are on the first line. */
function asModule({ file, line, code, kind }: CodeExample): string {
  return kind === 'page'
    ? `${'\n'.repeat(line - 1)}${code}\nexport {}\n`
    : `${imports(file, code)}${'\n'.repeat(line - 1)}${code}\n`
}

function imports(file: string, code: string): string {
  const used = new Set(code.match(/[A-Za-z_$][\w$]*/g))
  const declared = new Set([...code.matchAll(/(?:const|let|function|class) (\w+)/g)].map(([, name = '']) => name))
  const assumed = Object.keys(given).filter((name) => used.has(name) && !declared.has(name))
  for (const name of assumed) used.add((given[name] ?? '').replace('[]', ''))
  const own = exportedNames(file)
  const from = (names: readonly string[], module: string) =>
    names.length > 0 ? `import { ${names.join(', ')} } from '${module}';` : ''
  const beside = own.filter((name) => used.has(name))
  const open = publicNames.filter((name) => used.has(name) && !beside.includes(name))
  const engine = engineNames.filter((name) => used.has(name) && !beside.includes(name) && !open.includes(name))
  return [
    file === 'src/index.ts' ? '' : from(beside, `./${file.split('/').at(-1)?.replace(/\.ts$/, '.js')}`),
    from(file === 'src/index.ts' ? [...open, ...beside] : open, 'xcomposer'),
    from(engine, 'xcomposer/engine'),
    ...assumed.map((name) => `declare const ${name}: ${given[name]};`),
    'export {};',
  ].join('')
}

/** Names that a source exports, types included. */
function exportedNames(file: string): string[] {
  const source = ts.createSourceFile(file, ts.sys.readFile(join(root, file)) ?? '', ts.ScriptTarget.ES2022, true)
  const names: string[] = []
  source.forEachChild((node) => {
    if (ts.isExportDeclaration(node) && node.exportClause && ts.isNamedExports(node.exportClause))
      names.push(...node.exportClause.elements.map(({ name }) => name.text))
    const isExported =
      ts.canHaveModifiers(node) && ts.getModifiers(node)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)
    if (!isExported) return
    if (ts.isVariableStatement(node)) names.push(...node.declarationList.declarations.map(({ name }) => name.getText(source)))
    else if (
      ts.isFunctionDeclaration(node) ||
      ts.isClassDeclaration(node) ||
      ts.isInterfaceDeclaration(node) ||
      ts.isTypeAliasDeclaration(node)
    )
      names.push(node.name?.text ?? '')
  })
  return names
}

describe('examples', () => {
  it('of pages and sources compile', () => {
    const examples = allExamples(root)
    expect(examples.filter(({ kind }) => kind === 'page').length).toBeGreaterThan(3)
    expect(examples.filter(({ kind }) => kind === 'source').length).toBeGreaterThan(1)
    expect(check(examples)).toEqual([])
  })

  it('that are wrong are found, at their line', () => {
    const page = { file: 'docs/x.md', kind: 'page' } as const
    const source = { file: 'src/index.ts', kind: 'source' } as const
    expect(
      check([
        { ...page, line: 10, code: "import { nothing } from 'xcomposer'" },
        { ...page, line: 20, code: "import { XComposer } from 'xcomposer'\n\nconst x: number = XComposer" },
        { ...source, line: 30, code: 'unheardOf(model)' },
        { ...source, line: 40, code: 'model.dispose()' },
      ]),
    ).toEqual([
      expect.stringMatching(/^docs\/x\.md:10: .*no exported member 'nothing'/),
      expect.stringMatching(/^docs\/x\.md:22: .*not assignable to type 'number'/),
      expect.stringMatching(/^src\/index\.ts:30: Cannot find name 'unheardOf'/),
    ])
  })
})
