/** Compiles consumer.ts as projects of users do, against the types of the build. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import ts from 'typescript'
import { afterAll, describe, expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
const folder = mkdtempSync(join(tmpdir(), 'cellstate-types-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
mkdirSync(join(folder, 'node_modules/@types'), { recursive: true })
symlinkSync(ROOT, join(folder, 'node_modules/cellstate'), 'junction')
symlinkSync(join(ROOT, 'node_modules/@types/node'), join(folder, 'node_modules/@types/node'), 'junction')
writeFileSync(join(folder, 'package.json'), '{ "private": true }\n')
const consumer = readFileSync(join(import.meta.dirname, 'consumer.ts'), 'utf8')
for (const name of ['esm.mts', 'commonjs.cts', 'bundled.ts']) writeFileSync(join(folder, name), consumer)

const RESOLUTIONS = [
  {
    name: 'node16, ESM and CommonJS',
    files: ['esm.mts', 'commonjs.cts'],
    options: { module: ts.ModuleKind.Node16, moduleResolution: ts.ModuleResolutionKind.Node16 },
  },
  {
    name: 'nodenext, ESM and CommonJS',
    files: ['esm.mts', 'commonjs.cts'],
    options: { module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext },
  },
  {
    name: 'bundler',
    files: ['bundled.ts'],
    options: { module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler },
  },
]

function errorsOf(files: readonly string[], options: ts.CompilerOptions): string[] {
  const program = ts.createProgram(
    files.map(name => join(folder, name)),
    {
      target: ts.ScriptTarget.ES2022,
      types: ['node'],
      typeRoots: [join(folder, 'node_modules/@types')],
      strict: true,
      skipLibCheck: false,
      noEmit: true,
      ...options,
    },
  )
  return ts.getPreEmitDiagnostics(program).map(({ file, start = 0, messageText }) => {
    const place = file ? `${file.fileName}:${file.getLineAndCharacterOfPosition(start).line + 1} ` : ''
    return `${place}${ts.flattenDiagnosticMessageText(messageText, '\n')}`
  })
}

describe.each(RESOLUTIONS)('a project with the modules of $name', ({ files, options }) => {
  it.each([true, false])(
    'compiles without an error, exactOptionalPropertyTypes %s',
    {
      timeout: 300_000,
    },
    exact => {
      expect(errorsOf(files, { ...options, exactOptionalPropertyTypes: exact })).toEqual([])
    },
  )
})

describe('the facts of consumer.ts', () => {
  it('are looked at: a wrong one is an error', () => {
    const wrong = [
      "import { TextClassifier, lstm } from 'cellstate'",
      'declare const classifier: TextClassifier<"a" | "b">',
      'const label: "a" = (await classifier.predict("")).label',
      'lstm({ units: 64, unit: 64 })',
      'export { label }',
    ]
    writeFileSync(join(folder, 'wrong.mts'), wrong.join('\n'))
    const errors = errorsOf(['wrong.mts'], { module: ts.ModuleKind.NodeNext, skipLibCheck: true })
    expect(errors).toHaveLength(2)
  })
})
