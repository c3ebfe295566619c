/**
 * Runs the tests of everything that computes with one instruction set: `npm run test:level -- avx2`. A processor without
 * it is no failure; that is said.
 */
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..')
const [level] = process.argv.slice(2)
const { native } = createRequire(import.meta.url)(path.join(root, 'dist/native/load.js'))
const levels = native().simdLevels()
if (!['scalar', 'avx2', 'avx512', 'neon'].includes(level)) {
  console.error('usage: npm run test:level -- scalar|avx2|avx512|neon')
  process.exit(2)
}
if (!levels.includes(level)) {
  console.log(`not tested: this processor has no ${level}, only ${levels.join(', ')}`)
  process.exit(0)
}
const folders = ['model', 'training', 'tasks', 'explain'].map(name => `test/${name}`)
const { status } = spawnSync(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', ...folders], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, CELLSTATE_SIMD: level },
})
process.exitCode = status ?? 1
