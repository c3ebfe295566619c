/**
 * Measures how the time of a training step grows: writes docs/results/scaling.json and docs/images/scaling.svg.
 *
 * `node bench/scaling.mjs [seconds]`, after `npm run build`; `node scripts/tables.mjs` puts the numbers into
 * docs/performance.md. `npm run bench:scaling` does all of it.
 */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { argv, execPath } from 'node:process'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const args = [
  'bench',
  '--scaling',
  '--seconds',
  argv[2] ?? '60',
  '--json',
  '--chart',
  'docs/images/scaling.svg',
]

const output = execFileSync(execPath, ['dist/cli/main.js', ...args], { cwd: ROOT, encoding: 'utf8' })
const report = {
  date: new Date().toISOString().slice(0, 10),
  command: `cellstate ${args.join(' ')}`,
  ...JSON.parse(output),
}
writeFileSync(`${ROOT}docs/results/scaling.json`, `${JSON.stringify(report, null, 2)}\n`)
