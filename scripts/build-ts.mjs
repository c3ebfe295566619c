// Compiles src to dist as CommonJS, then writes the ESM facade with named exports and its types.
import { execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..')
const dist = path.join(root, 'dist')
const require = createRequire(import.meta.url)

rmSync(dist, { recursive: true, force: true })
const tsc = path.join(path.dirname(require.resolve('typescript/package.json')), 'bin', 'tsc')
const compile = (...options) =>
  execFileSync(process.execPath, [tsc, '-p', root, ...options], { cwd: root, stdio: 'inherit' })
// Comments go where a user reads them: into the types. Without them the package is a third smaller.
compile('--emitDeclarationOnly')
compile('--declaration', 'false', '--removeComments')
copyFileSync(path.join(root, 'src/native/binding.d.ts'), path.join(dist, 'native/binding.d.ts'))
removeUnreachable()

const names = Object.keys(require(path.join(dist, 'index.js'))).sort()
const list = names.map(name => `  ${name},\n`).join('')
writeFileSync(
  path.join(dist, 'index.mjs'),
  `import cellstate from './index.js'\n\nexport const {\n${list}} = cellstate\n`,
)
writeFileSync(path.join(dist, 'index.d.mts'), "export * from './index.js'\n")
chmodSync(path.join(dist, 'cli/main.js'), 0o755)

/** Removes the types that no user can come to: those that dist/index.d.ts does not lead to. */
function removeUnreachable() {
  const reachable = new Set()
  const visit = file => {
    if (reachable.has(file)) return
    reachable.add(file)
    for (const [, target] of readFileSync(file, 'utf8').matchAll(/(?:from|import\()\s*'(\.[^']+)\.js'/g)) {
      visit(path.resolve(path.dirname(file), `${target}.d.ts`))
    }
  }
  visit(path.join(dist, 'index.d.ts'))
  for (const name of readdirSync(dist, { recursive: true })) {
    const file = path.join(dist, name)
    if (name.endsWith('.d.ts') && !reachable.has(file)) rmSync(file)
  }
}
