/**
 * Lets Node.js run TypeScript files, also where it cannot by itself: `node --import ./scripts/typescript.mjs file.ts`.
 *
 * Node.js reads this file twice: as the module that registers the hook, and in the hook's thread, which calls `load`.
 */
import { readFile } from 'node:fs/promises'
import { register } from 'node:module'
import { fileURLToPath } from 'node:url'
import { isMainThread } from 'node:worker_threads'
import ts from 'typescript'

if (isMainThread) register(import.meta.url)

const { ModuleKind, ScriptTarget } = ts

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
  return { format: 'module', source: outputText, shortCircuit: true }
}
