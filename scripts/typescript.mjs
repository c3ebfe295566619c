/**
 * Lets Node.js run TypeScript files, also where it cannot by itself: `node --import ./scripts/typescript.mjs file.ts`.
 *
 * Node.js reads this file twice: as the module that registers the hook, and in the hook's thread, which calls `resolve` and `load`.
 */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { register } from 'node:module'
import { fileURLToPath } from 'node:url'
import { isMainThread } from 'node:worker_threads'
import ts from 'typescript'

if (isMainThread) register(import.meta.url)

const { ModuleKind, ScriptTarget } = ts

/** What the files of src have, as they become CommonJS in the package. */
const PRELUDE = 'const { dirname: __dirname, filename: __filename } = import.meta; '

/** A `.js` file that is not there, imported by a `.ts` file, is the `.ts` file that it will be made of. */
export async function resolve(specifier, context, next) {
  if (specifier.startsWith('.') && specifier.endsWith('.js') && context.parentURL?.endsWith('.ts')) {
    const source = new URL(specifier.replace(/js$/, 'ts'), context.parentURL)
    if (existsSync(source)) return next(source.href, context)
  }
  return next(specifier, context)
}

/** The hook: a `.ts` file becomes an ES module; types are left out, not checked. */
export async function load(url, context, next) {
  if (!url.endsWith('.ts')) return next(url, context)
  const { outputText } = ts.transpileModule(await readFile(fileURLToPath(url), 'utf8'), {
    compilerOptions: {
      target: ScriptTarget.ES2023,
      module: ModuleKind.ESNext,
      verbatimModuleSyntax: true,
    },
  })
  return { format: 'module', source: PRELUDE + outputText, shortCircuit: true }
}
