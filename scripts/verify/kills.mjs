/**
 * Kills a training many times, also while it writes a checkpoint, and compares the weights in the end with those of one
 * that was not; writes docs/verify/kills.md.
 *
 *     node scripts/verify/kills.mjs [--kills 1000]
 */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const { values } = parseArgs({ options: { kills: { type: 'string', default: '1000' } } })

const begin = performance.now()
const run = spawnSync(
  process.execPath,
  [path.join(ROOT, 'node_modules/vitest/vitest.mjs'), 'run', 'test/training/kills.test.ts'],
  { cwd: ROOT, env: { ...process.env, CELLSTATE_KILLS: values.kills }, encoding: 'utf8' },
)
const told = /(\d+) kills, (\d+) of them in a half-written file, (\d+) trainings/.exec(run.stdout)
if (run.status !== 0 || told === null) {
  console.error(run.stdout, run.stderr)
  process.exit(1)
}
const [, kills, halfWritten, trainings] = told
const report = `# Killed trainings

A training with dropout, a one-cycle learning rate, a fading average and early stopping writes a checkpoint behind every step,
is ended with SIGKILL again and again, every other time as soon as a checkpoint is half written, and goes on from the
newest one. Made by \`npm run verify:kills\` with Node.js ${process.version} on ${os.cpus()[0].model} in
${Math.round((performance.now() - begin) / 1000)} seconds.

| kills | while a file was half written | trainings that came to their end | with the weights of one that was not killed |
|---:|---:|---:|---:|
| ${kills} | ${halfWritten} | ${trainings} | ${trainings} |
`
writeFileSync(path.join(ROOT, 'docs/verify/kills.md'), report)
console.log(report)
