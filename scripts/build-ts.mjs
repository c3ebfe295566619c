/**
 * Builds src into dist: types by tsc, put into one file by Rollup; programs by Vite, which puts together what is always loaded
 * together (a package of a few files is imported twice as fast as one of a hundred); then the ESM facade with named exports
 * and its types.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { rollup } from 'rollup'
import { dts } from 'rollup-plugin-dts'
import { build } from 'vite'

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..')
const dist = path.join(root, 'dist')
const require = createRequire(import.meta.url)

/** What is loaded when it is needed; a true `import()` in CommonJS does not work in Jest. */
const REQUIRED_LATER = ['csv-parse', 'node:crypto']

/** What is loaded by its path: from outside, as a process of its own, or because it looks for files beside itself. */
const ENTRIES = ['index', 'cli/main', 'cli/doctor/doctor', 'cli/doctor/self-test', 'native/load']

rmSync(dist, { recursive: true, force: true })
const tsc = path.join(path.dirname(require.resolve('typescript/package.json')), 'bin', 'tsc')
await writeTypes()

await build({
  root,
  configFile: false,
  logLevel: 'warn',
  publicDir: false,
  // Names and statements stay as they are, for stack traces; a quarter of the package was white space.
  esbuild: { minifyWhitespace: true, minifyIdentifiers: false, minifySyntax: false, lineLimit: 120 },
  plugins: [
    {
      name: 'require-later',
      renderDynamicImport: ({ targetModuleId }) =>
        REQUIRED_LATER.includes(targetModuleId)
          ? { left: 'Promise.resolve().then(() => require(', right: '))' }
          : null,
    },
  ],
  build: {
    ssr: true,
    target: 'node20.19',
    outDir: dist,
    emptyOutDir: false,
    minify: 'esbuild',
    rollupOptions: {
      input: Object.fromEntries(ENTRIES.map(name => [name, path.join(root, `src/${name}.ts`)])),
      output: {
        format: 'cjs',
        exports: 'named',
        entryFileNames: '[name].js',
        chunkFileNames: 'chunks/[name].js',
      },
    },
  },
})

const names = Object.keys(require(path.join(dist, 'index.js'))).sort()
const list = names.map(name => `  ${name},\n`).join('')
writeFileSync(
  path.join(dist, 'index.mjs'),
  `import cellstate from './index.js'\n\nexport const {\n${list}} = cellstate\n`,
)
writeFileSync(path.join(dist, 'index.d.mts'), "export * from './index.js'\n")
chmodSync(path.join(dist, 'cli/main.js'), 0o755)

/** All types that a user can come to, in dist/index.d.ts. */
async function writeTypes() {
  const types = path.join(dist, 'types')
  const options = ['--emitDeclarationOnly', '--declarationDir', types]
  execFileSync(process.execPath, [tsc, '-p', root, ...options], { cwd: root, stdio: 'inherit' })
  copyFileSync(path.join(root, 'src/native/binding.d.ts'), path.join(types, 'native/binding.d.ts'))
  const bundle = await rollup({
    input: path.join(types, 'index.d.ts'),
    plugins: [dts()],
    external: /^node:/,
  })
  const { output } = await bundle.generate({ format: 'es' })
  await bundle.close()
  rmSync(types, { recursive: true })
  writeFileSync(path.join(dist, 'index.d.ts'), output[0].code)
}
