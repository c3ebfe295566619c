/** Projects that use the package: CommonJS, ES modules, TypeScript in each kind of resolution, and two bundlers. */
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { tool } from '../cache.mjs'

export const title = 'projects that use it'

const PLATFORM = 'linux-x64-gnu'
const TSC = path.join(createRequire(import.meta.url).resolve('typescript/package.json'), '../bin/tsc')

/** app.cjs as an ES module with the same text: only how it imports differs. */
function asModule(code) {
  const imported = code
    .replace(/const (\{[^}]*\}) = require\('([^']+)'\)/g, "import $1 from '$2'")
    .replace("const path = require('node:path')", "import path from 'node:path'")
    .replace("require('cellstate/package.json').version", 'process.env.CELLSTATE_APP_VERSION')
  if (/require\(/.test(imported)) throw new Error('app.cjs requires something that is not rewritten')
  return imported
}

export async function* rows(context) {
  const folder = await context.install(PLATFORM, path.join(context.work, 'consumers'))
  const version = JSON.parse(
    readFileSync(path.join(folder, 'node_modules/cellstate/package.json'), 'utf8'),
  ).version
  const env = { ...process.env, CELLSTATE_APP_VERSION: version }
  const start = async (how, file, cwd = folder) => {
    const { stdout } = await context.run(process.execPath, [file], { cwd, env })
    return { platform: PLATFORM, how, ...context.compare(JSON.parse(stdout)) }
  }

  const code = readFileSync(path.join(folder, 'app.cjs'), 'utf8')
  writeFileSync(path.join(folder, 'app.mjs'), asModule(code))
  yield await start('CommonJS, require', 'app.cjs')
  yield await start('ES module, import', 'app.mjs')
  const lazy = code.replace(
    'async function main() {',
    "async function main() {\n  await import('cellstate')\n",
  )
  writeFileSync(path.join(folder, 'lazy.cjs'), lazy)
  yield await start('CommonJS, require and import() together', 'lazy.cjs')

  yield* typescript(context, folder, asModule(code), start)
  yield* bundlers(context, folder, start)
}

/** Compiles a program that uses what the package exports, without skipLibCheck, and runs what comes out. */
async function* typescript(context, folder, code, start) {
  const types = path.join(folder, 'node_modules/@types')
  mkdirSync(types, { recursive: true })
  symlinkSync(path.join(context.root, 'node_modules/@types/node'), path.join(types, 'node'))
  const undici = path.join(context.root, 'node_modules/undici-types')
  symlinkSync(undici, path.join(folder, 'node_modules/undici-types'))
  const consumer = readFileSync(path.join(context.root, 'test/types/consumer.ts'), 'utf8')
  // What the app's own text leaves to inference is not what is compiled here.
  const app = `// @ts-nocheck\n${code}`
  for (const [module, resolution, extensions] of [
    ['node16', 'node16', ['cts', 'mts']],
    ['nodenext', 'nodenext', ['cts', 'mts']],
    ['esnext', 'bundler', ['ts']],
  ]) {
    for (const extension of extensions) {
      const project = path.join(folder, `${resolution}-${extension}`)
      mkdirSync(project)
      writeFileSync(path.join(project, 'package.json'), '{ "type": "module" }\n')
      writeFileSync(path.join(project, `consumer.${extension}`), consumer)
      writeFileSync(path.join(project, `app.${extension}`), app)
      const args = ['--module', module, '--moduleResolution', resolution, '--target', 'es2023', '--strict']
      const files = [`consumer.${extension}`, `app.${extension}`]
      await context.run(process.execPath, [TSC, ...args, '--types', 'node', '--rootDir', '.', ...files], {
        cwd: project,
      })
      const kind = { cts: 'CommonJS', mts: 'ES module', ts: 'ES module' }[extension]
      const output = `app.${extension.replace('ts', 'js')}`
      yield await start(`TypeScript, ${resolution}, ${kind}`, output, project)
    }
  }
}

/** Bundles leave the package out; run from another folder, they find it where it is installed. */
async function* bundlers(context, folder, start) {
  const cases = [
    [
      'esbuild, CommonJS',
      'esbuild',
      'out.cjs',
      ['app.mjs', '--bundle', '--platform=node', '--format=cjs', '--outfile=OUT'],
    ],
    [
      'esbuild, ES module',
      'esbuild',
      'out.mjs',
      ['app.mjs', '--bundle', '--platform=node', '--format=esm', '--outfile=OUT'],
    ],
    ['rollup, CommonJS', 'rollup', 'out.cjs', ['app.mjs', '--format=cjs', '--file=OUT']],
    ['rollup, ES module', 'rollup', 'out.mjs', ['app.mjs', '--format=es', '--file=OUT']],
  ]
  for (const [how, bundler, name, args] of cases) {
    const deployed = path.join(folder, how.replace(/\W+/g, '-'))
    mkdirSync(deployed)
    const out = path.join(deployed, name)
    const external =
      bundler === 'esbuild'
        ? ['--external:cellstate']
        : ['--external=cellstate,node:crypto,node:fs,node:path']
    await context.run(
      process.execPath,
      [tool(bundler), ...args.map(arg => arg.replace('OUT', out)), ...external],
      {
        cwd: folder,
      },
    )
    cpSync(path.join(folder, 'node_modules'), path.join(deployed, 'node_modules'), {
      recursive: true,
      filter: file => !file.includes('@types') && !file.includes('undici-types'),
    })
    if (!readFileSync(out, 'utf8').includes('cellstate')) throw new Error(`${how} does not import cellstate`)
    yield await start(`${how}, cellstate external`, name, deployed)
  }
  // In the project itself, even a bundle with the package in it finds the addon.
  const inside = path.join(folder, 'inside.cjs')
  const args = ['app.cjs', '--bundle', '--platform=node', `--outfile=${inside}`]
  await context.run(process.execPath, [tool('esbuild'), ...args], { cwd: folder })
  yield await start('esbuild, cellstate in the bundle, the addon in node_modules', 'inside.cjs')
}
