/**
 * Packs the addon of a platform with the main package, installs both into an empty folder as a user would, and trains the
 * model of app.cjs there: the weights must be those of docs/results/portability.json. For the machine it is started on,
 * or, with --image, in a container of it.
 *
 *   node scripts/release/try.mjs linux-x64-musl [--image node:22-alpine]
 */
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { pack } from './pack.mjs'
import { ROOT, readJson } from './packages.mjs'

const { values, positionals } = parseArgs({ options: { image: { type: 'string' } }, allowPositionals: true })
const [name] = positionals
const { expected } = readJson(path.join(ROOT, 'docs/results/portability.json'))

const folder = mkdtempSync(path.join(tmpdir(), 'cellstate-try-'))
try {
  const tarballs = pack({ names: [name] }).map(({ file }) => {
    copyFileSync(file, path.join(folder, path.basename(file)))
    return `./${path.basename(file)}`
  })
  copyFileSync(path.join(ROOT, 'scripts/verify/portability/app.cjs'), path.join(folder, 'app.cjs'))
  writeFileSync(path.join(folder, 'package.json'), '{ "private": true }\n')
  run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', ...tarballs])
  const report = JSON.parse(run('node', ['app.cjs', '.']).trim().split('\n').at(-1))
  console.log(`${name}: ${report.runtime}, ${report.arch}, ${report.simd}, weights ${report.weights}`)
  const wrong = ['weights', 'outputs', 'file'].filter(key => report[key] !== expected[key])
  if (wrong.length > 0) throw new Error(`${wrong.join(', ')} differ from docs/results/portability.json`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function run(program, args) {
  // npm is a script of the shell on Windows.
  const options = {
    cwd: folder,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    shell: process.platform === 'win32',
  }
  if (values.image === undefined) return execFileSync(program, args, options)
  const mounted = ['--rm', '--volume', `${folder}:/app`, '--workdir', '/app']
  return execFileSync('docker', ['run', ...mounted, values.image, program, ...args], options)
}
