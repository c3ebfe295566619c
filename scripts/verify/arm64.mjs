/**
 * Builds the addon for 64-bit ARM Linux, runs the Rust tests and a training under an emulator, and compares the trained
 * weights with those of this machine bit by bit. Writes docs/verify/arm64.md. With --no-tests, only the training is compared.
 * Exits with 1 if a hash differs or a test fails.
 *
 * Needs what scripts/verify/toolchain.mjs needs, and the addon of this machine: npm run build:native.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { argv } from 'node:process'
import { addonFile, platforms, ROOT } from '../release/packages.mjs'
import { runtime } from './cache.mjs'
import { build, cargoVariable, cross, qemu } from './toolchain.mjs'

const PLATFORM = 'linux-arm64-gnu'
const EMULATED = 'arm64 (qemu)'
const THREADS = { x64: [1, 2, 3, 8], arm64: [1, 2] }
const LEVELS = { x64: ['scalar', 'avx2', 'avx512'], arm64: ['scalar', 'neon'] }
/** Seconds that one file of Rust tests may take. */
const LIMIT = 1200
// All cases, and a large layer, are too slow under the emulator.
const CASES = '12'
const LARGE = 'large_lstm_matches_the_textbook_and_is_equal_everywhere'
const TESTS = [
  [
    `cellstate-kernels, ${CASES} random models a cell, without ${LARGE} (slow)`,
    ['-p', 'cellstate-kernels', '--lib', '--', '--skip', LARGE],
  ],
  ['cellstate-nn golden', ['-p', 'cellstate-nn', '--test', 'golden']],
  ['cellstate-nn layers_golden', ['-p', 'cellstate-nn', '--test', 'layers_golden']],
  ['cellstate-nn same_bits', ['-p', 'cellstate-nn', '--test', 'same_bits']],
]

const say = text => console.error(`verify:arm64: ${text}`)
const started = performance.now()
const since = from => Math.round((performance.now() - from) / 1000)
const emulator = qemu('arm64')

/** Runs a set of Rust tests under the emulator. */
function rustTest([name, args]) {
  say(`testing ${name}`)
  const platform = platforms().find(({ name }) => name === PLATFORM)
  const { cargo, target, env } = cross(platform)
  const options = {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    env: {
      ...process.env,
      ...env,
      CELLSTATE_CASES: CASES,
      [cargoVariable(target, 'RUNNER')]: ['timeout', LIMIT, ...emulator].join(' '),
    },
  }
  const command = ['test', '--quiet', '--locked', '--target', target]
  execFileSync(cargo, [...command, '--no-run', ...args], { ...options, stdio: 'inherit' })
  const from = performance.now()
  const { status, stdout, stderr } = spawnSync(cargo, [...command, ...args], options)
  const counts = [...stdout.matchAll(/^test result: \w+\. (.*); 0 measured/gm)].map(([, counts]) => counts)
  // No tests at all is no success.
  const passed = status === 0 && /^test result: ok\. [1-9]/m.test(stdout)
  if (!passed) console.error(`${stdout}\n${stderr}`.trim().split('\n').slice(-40).join('\n'))
  return {
    platform: EMULATED,
    name,
    result: passed ? 'passed' : 'FAILED',
    counts: counts.join('+') || 'no result',
    seconds: since(from),
  }
}

/** Trains with an addon; `report` is what scripts/verify/train-hash.mjs prints, `undefined` if it fails. */
function train(platform, addon, level, threads, command) {
  say(`training on ${platform}, ${level}, ${threads} threads`)
  const from = performance.now()
  const [program, ...args] = command
  const script = path.join(ROOT, 'scripts/verify/train-hash.mjs')
  const { status, stdout } = spawnSync(program, [...args, script, addon, level, String(threads)], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return {
    platform,
    level,
    threads,
    seconds: since(from),
    report: status === 0 ? JSON.parse(stdout) : undefined,
  }
}

/** The trainings of this machine and of the emulated one. */
function trainings() {
  const here = addonFile('linux-x64-gnu')
  const has = execFileSync(process.execPath, ['-p', `require(${JSON.stringify(here)}).simdLevels().join()`], {
    encoding: 'utf8',
  })
  const runs = []
  for (const level of LEVELS.x64) {
    for (const threads of THREADS.x64) {
      const absent = !has.trim().split(',').includes(level)
      runs.push(
        absent
          ? { platform: 'x64', level, threads, absent }
          : train('x64', here, level, threads, [process.execPath]),
      )
    }
  }
  const node = [...emulator, runtime('node-20-arm64')]
  for (const level of LEVELS.arm64) {
    for (const threads of THREADS.arm64) {
      runs.push(train(EMULATED, addonFile(PLATFORM), level, threads, node))
    }
  }
  return runs
}

/** The runs with their `result`. */
function judged(runs) {
  // A level that was asked for computes or is refused; it never falls back to another.
  const real = ({ platform, level, threads, report }) =>
    report?.arch === (platform === 'x64' ? 'x64' : 'arm64') &&
    report.simd === level &&
    report.available.includes(level) &&
    report.threads === threads
  const first = runs.find(real)?.report
  return runs.map(run => {
    const { platform, level, threads, seconds, absent, report } = run
    if (absent) return { platform, level, threads, result: 'not run: this processor has no such level' }
    const { node, weights, file } = report ?? {}
    const same = real(run) && weights === first.weights && file === first.file
    return {
      platform,
      level,
      threads,
      node,
      weights,
      file,
      result: same ? 'same' : report ? 'different' : 'failed',
      seconds,
    }
  })
}

const line = cells => `| ${cells.join(' | ')} |`
const table = (titles, rows) =>
  [line(titles), `|${'---|'.repeat(titles.length)}`, ...rows.map(line)].join('\n')
const hash = text => (text === undefined ? '' : `\`${text}\``)
const SAME = { same: 'yes', different: '**NO**', failed: '**FAILED**' }

build(PLATFORM)
const tests = argv.includes('--no-tests')
  ? [{ platform: EMULATED, name: 'all', result: 'not run (--no-tests)', counts: '' }]
  : TESTS.map(rustTest)
const runs = judged(trainings())

const [version] = execFileSync(emulator[0], ['--version'], { encoding: 'utf8' }).match(
  /qemu-aarch64 version [\d.]+/,
)
const time = seconds => (seconds === undefined ? '' : `${seconds} s`)
const report = [
  'Made by `npm run verify:arm64`: the same 100 steps of training on x64 and on emulated 64-bit ARM.',
  '',
  table(
    ['Platform', 'Node.js', 'Level', 'Threads', 'Weights (SHA-256)', 'Model file (SHA-256)', 'Same?', 'Time'],
    runs.map(({ platform, node = '', level, threads, weights, file, result, seconds }) => [
      platform,
      node,
      level,
      threads,
      hash(weights),
      hash(file),
      SAME[result] ?? result,
      time(seconds),
    ]),
  ),
  '',
  `Rust tests for \`aarch64-unknown-linux-gnu\` under ${version}:`,
  '',
  table(
    ['Tests', 'Result', 'Counts', 'Time'],
    tests.map(({ name, result, counts, seconds }) => [name, result, counts, time(seconds)]),
  ),
  '',
].join('\n')
writeFileSync(path.join(ROOT, 'docs/verify/arm64.md'), report)
console.log(report)
const wrong = [...runs, ...tests].filter(({ result }) => ['different', 'failed', 'FAILED'].includes(result))
if (wrong.length > 0) {
  say('a hash differs or a test failed')
  process.exitCode = 1
} else {
  say(`all the same, in ${since(started)} s`)
}
