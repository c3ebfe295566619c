/**
 * Installs the packed packages into many systems and runtimes and trains the same model in each: the weights must have
 * the same hash everywhere. Prints one table; without --quick and without stages named, it is written to
 * docs/verify/portability.md and docs/results/portability.json. Exits with 1 if a row is different or failed.
 *
 *   node scripts/verify/portability.mjs [--quick] [STAGE …]
 *
 * A stage is a module in scripts/verify/portability/:
 *
 * - `title`: what it verifies
 * - `quick`: true if it belongs to the quick part, too; it sees `context.quick`
 * - `prepare(context)`, optional: builds what is packed afterwards
 * - `rows(context)`: an async generator of rows
 *
 * A row is `{ platform, runtime, how, tests, level, threads, weights, result, note }`; fields that do not apply are left
 * out. `result` is 'same', 'passed', 'linked, not run', 'different' or 'failed'.
 *
 * The context is `{ root, work, quick, expected, packed, measured, addon, tarball, run, say, install, app }`.
 */
import { execFile } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { pack, tarball } from '../release/pack.mjs'
import { addonFile, nativeName, platforms, ROOT, readJson } from '../release/packages.mjs'
import { CACHE } from './cache.mjs'
import { compare, isBad, kilobytes, tableOf } from './report.mjs'

const STAGES = path.join(path.dirname(fileURLToPath(import.meta.url)), 'portability')
const APP = path.join(STAGES, 'app.cjs')
/** Generous: a busy machine is no failure. */
const LIMIT = 20 * 60_000
/** The most that a package may have unpacked, by its kind. */
const LARGEST = { main: 1_000_000, platform: 4_000_000 }

const { values: options, positionals } = parseArgs({
  options: { quick: { type: 'boolean', default: false } },
  allowPositionals: true,
})

const say = text => console.error(`verify:portability: ${text}`)

/**
 * Runs a program to its end.
 *
 * @param {import('node:child_process').ExecFileOptions & { input?: string }} options as for `execFile`.
 * @returns {Promise<{ stdout: string, stderr: string }>}
 * @throws Error whose message has what the program wrote; `code`, `stdout` and `stderr` are those of the program.
 */
function run(program, args = [], { input = '', ...options } = {}) {
  return new Promise((resolve, reject) => {
    const settings = { cwd: ROOT, encoding: 'utf8', maxBuffer: 2 ** 28, timeout: LIMIT, ...options }
    const child = execFile(program, args, settings, (error, stdout, stderr) => {
      if (error === null) return resolve({ stdout, stderr })
      const end = `${stdout}\n${stderr}`.trim().split('\n').slice(-30).join('\n')
      error.message = `${[program, ...args].join(' ')}: ${error.killed ? 'took too long' : `exit ${error.code}`}\n${end}`
      reject(Object.assign(error, { stdout, stderr }))
    })
    // A program that ends without reading closes the pipe.
    child.stdin?.on('error', () => {})
    child.stdin?.end(input)
  })
}

const platform = name => {
  const found = platforms().find(entry => entry.name === name)
  if (found === undefined) throw new Error(`${name} is not in npm/platforms.json`)
  return found
}

/**
 * Installs the packed packages for a platform into a new folder as npm does there, without scripts.
 *
 * @returns {Promise<string>} the folder, with app.cjs in it.
 */
async function install(name, folder) {
  const { os, cpu, libc } = platform(name)
  mkdirSync(folder, { recursive: true })
  writeFileSync(path.join(folder, 'package.json'), '{ "private": true }\n')
  const tarballs = [tarball('cellstate'), tarball(nativeName(name))]
  // npm compares what is named on its command line with this machine, whatever it is told, unless it is forced.
  const force = os === process.platform && cpu === process.arch && libc === 'glibc' ? [] : ['--force']
  const system = [`--os=${os}`, `--cpu=${cpu}`, ...(libc ? [`--libc=${libc}`] : []), ...force]
  await run(
    'npm',
    ['install', '--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts', ...system, ...tarballs],
    {
      cwd: folder,
    },
  )
  copyFileSync(APP, path.join(folder, 'app.cjs'))
  return folder
}

/**
 * Runs app.cjs of a folder.
 *
 * @param {{ folder: string, program?: string, args?: string[], env?: Record<string, string>, save?: boolean,
 *   level?: string, threads?: number }} options `args` stand before `app.cjs`; `save`: whether the model is saved into the
 *   folder too; `level` and `threads`: what must have computed.
 * @returns {Promise<object>} fields of a row: `runtime`, `level`, `threads`, `weights`, `result`.
 */
async function app({
  folder,
  program = process.execPath,
  args = [],
  env = {},
  save = false,
  level,
  threads,
}) {
  const { stdout } = await run(program, [...args, 'app.cjs', ...(save ? ['.'] : [])], {
    cwd: folder,
    env: { ...process.env, ...env },
  })
  const fields = compare(JSON.parse(stdout.trim().split('\n').at(-1)), context.expected)
  const wrong = Object.entries({ level, threads }).filter(
    ([key, value]) => value !== undefined && fields[key] !== value,
  )
  if (wrong.length === 0) return fields
  const note = wrong.map(([key, value]) => `${key} ${value} expected`).join(', ')
  return { ...fields, result: 'failed', note }
}

mkdirSync(CACHE, { recursive: true })
const work = mkdtempSync(path.join(CACHE, 'run.'))
process.on('exit', () => rmSync(work, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130))

const context = {
  root: ROOT,
  /** An empty folder that is removed at the end. */
  work,
  quick: options.quick,
  /** What app.cjs must print: `{ weights, outputs, file }`. */
  expected: undefined,
  /** What `pack` of scripts/release/pack.mjs returned. */
  packed: undefined,
  /** Lines below the table. */
  measured: [],
  /** Absolute path of the addon of a platform, which must be built. */
  addon(name) {
    const file = addonFile(name)
    if (!existsSync(file)) throw new Error(`no addon is built for ${name}`)
    return file
  },
  tarball,
  run,
  say,
  install,
  app,
  compare: report => compare(report, context.expected),
}

const started = performance.now()
const names = readdirSync(STAGES)
  .filter(name => name.endsWith('.mjs'))
  .map(name => name.slice(0, -'.mjs'.length))
  .sort()
const unknown = positionals.filter(name => !names.includes(name))
if (unknown.length > 0) {
  console.error(`no such stage: ${unknown.join(', ')}; there are ${names.join(', ')}`)
  process.exit(2)
}
const stages = []
for (const name of names) {
  if (positionals.length > 0 && !positionals.includes(name)) continue
  const stage = await import(pathToFileURL(path.join(STAGES, `${name}.mjs`)).href)
  if (!options.quick || stage.quick) stages.push({ name, ...stage })
}

const rows = []
/** Does what belongs to a stage; a failure becomes a row. */
async function during(stage, action) {
  try {
    await action()
  } catch (error) {
    say(`${stage.name}: ${error.stack}`)
    rows.push({ how: stage.title, result: 'failed', note: error.message.split('\n')[0], stage: stage.name })
  }
}

for (const stage of stages) {
  if (stage.prepare === undefined) continue
  say(`${stage.name}: preparing`)
  await during(stage, () => stage.prepare(context))
}
say('packing')
const packed = pack()
context.packed = packed
const here = await install('linux-x64-gnu', path.join(work, 'here'))
const { stdout } = await run(process.execPath, ['app.cjs', '.'], { cwd: here })
context.expected = JSON.parse(stdout)
for (const { name, unpackedSize } of packed) {
  const largest = name === 'cellstate' ? LARGEST.main : LARGEST.platform
  if (unpackedSize > largest)
    rows.push({ how: name, result: 'failed', note: `larger than ${kilobytes(largest)}` })
}

for (const stage of stages) {
  const from = performance.now()
  say(`${stage.name}: ${stage.title}`)
  await during(stage, async () => {
    for await (const row of stage.rows(context)) {
      rows.push({ ...row, stage: stage.name })
      say(`  ${[row.platform, row.runtime, row.how, row.level, row.result].filter(Boolean).join(', ')}`)
    }
  })
  say(`${stage.name}: ${((performance.now() - from) / 1000).toFixed(0)} s`)
}

const sizes = packed.map(
  ({ name, size, unpackedSize }) =>
    `\`${name}\`: ${kilobytes(size)} packed, ${kilobytes(unpackedSize)} unpacked`,
)
const measured = [...sizes, ...context.measured].map(text => `- ${text}`).join('\n')
const table = tableOf(
  rows,
  platforms().map(({ name }) => name),
)
const bad = rows.filter(isBad)
const { version } = readJson(path.join(ROOT, 'package.json'))
const machine = `${cpus()[0].model.trim()}, ${cpus().length} cores`

if (!options.quick && positionals.length === 0) {
  const document = [
    `Made by \`npm run verify:portability\` for version ${version}: the packed packages are installed as a user would, and`,
    'each installation trains the same small model. Equal weights have equal hashes, of which the first 16 digits are shown;',
    `all of it: \`${context.expected.weights}\`. Machine: ${machine}.`,
    '',
    table,
    '',
    'Measured:',
    '',
    measured,
    '',
  ].join('\n')
  const results = {
    version,
    date: new Date().toISOString().slice(0, 10),
    machine,
    expected: context.expected,
    rows,
    packed: packed.map(({ name, size, unpackedSize }) => ({ name, size, unpackedSize })),
    measured: context.measured,
  }
  writeFileSync(path.join(ROOT, 'docs/verify/portability.md'), document)
  writeFileSync(path.join(ROOT, 'docs/results/portability.json'), `${JSON.stringify(results, null, 2)}\n`)
}
console.log(`${table}\n\n${measured}`)
const seconds = ((performance.now() - started) / 1000).toFixed(0)
say(
  bad.length === 0
    ? `${rows.length} rows, all as they should be, in ${seconds} s`
    : `${bad.length} of ${rows.length} rows are wrong`,
)
process.exitCode = bad.length === 0 ? 0 : 1
