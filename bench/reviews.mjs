/**
 * Measures the README's table of reviews and writes docs/results/reviews.json; `node scripts/tables.mjs` puts it into
 * the README.
 *
 * `node bench/reviews.mjs yelp.csv [engine …]`: 10,000 Yelp reviews, 8,000 to train on and the 2,000 that scikit-learn
 * holds back with `random_state=36`. Engines that are not named keep their results. The peers are run by the Python of
 * `CELLSTATE_PYTHON` (default `python3`).
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const RESULTS = path.join(ROOT, 'docs/results/reviews.json')
const PYTHON = process.env.CELLSTATE_PYTHON ?? 'python3'
const COLUMNS = ['--text', 'text', '--label', 'stars', '--positive', '>3', '--test-size', '0.2']

const run = (program, args) =>
  execFileSync(program, args, {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 2 ** 26,
  })

/** The command, once for each model seed, always with the same split. */
function cellstate(file, recipe) {
  const folder = mkdtempSync(path.join(tmpdir(), 'cellstate-bench-'))
  const args = seed => {
    const model = path.join(folder, `${recipe}-${seed}.safetensors`)
    return [
      '--recipe',
      recipe,
      '--seed',
      String(seed),
      '--split-seed',
      '36',
      '--out',
      model,
      '--progress',
      'none',
      '--json',
    ]
  }
  try {
    const reports = [1, 2, 3, 4, 5].map(seed =>
      JSON.parse(run(process.execPath, ['dist/cli/main.js', 'train', file, ...COLUMNS, ...args(seed)])),
    )
    const [{ threads, simd }] = reports
    return {
      version: run(process.execPath, ['dist/cli/main.js', '--version']).trim(),
      command: `cellstate train yelp.csv ${COLUMNS.join(' ').replace('>3', "'>3'")} --recipe ${recipe} --split-seed 36 --seed 1 … 5`,
      threads,
      simd,
      epochs: reports[0].epochs,
      seconds: reports.map(report => report.seconds),
      tokensPerSecond: reports.map(report => report.tokensPerSecond),
      accuracy: reports.map(report => report.validation.accuracy),
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function keras(file, length) {
  const args = ['examples/article_keras.py', file, ...(length ? [String(length)] : [])]
  const [, seconds, accuracy] = /([\d.]+) s, loss [\d.]+, accuracy ([\d.]+)/.exec(run(PYTHON, args))
  const version = run(PYTHON, [
    '-c',
    'import keras; print(keras.__version__, keras.backend.backend())',
  ]).trim()
  return {
    version,
    command: ['python examples/article_keras.py yelp.csv', ...(length ? [length] : [])].join(' '),
    epochs: 1,
    seconds: [Number(seconds)],
    accuracy: [Number(accuracy)],
  }
}

function linear(file) {
  const { version, seconds, accuracy } = JSON.parse(run(PYTHON, ['bench/peers/tfidf_reviews.py', file]))
  return {
    version,
    command: 'python bench/peers/tfidf_reviews.py yelp.csv',
    seconds: [seconds],
    accuracy: [accuracy],
  }
}

const ENGINES = {
  article: file => cellstate(file, 'article'),
  default: file => cellstate(file, 'default'),
  keras: file => keras(file),
  keras200: file => keras(file, 200),
  linear,
}

const [file, ...names] = process.argv.slice(2)
const unknown = names.filter(name => !Object.hasOwn(ENGINES, name))
if (file === undefined || unknown.length > 0) {
  console.error(`usage: node bench/reviews.mjs yelp.csv [${Object.keys(ENGINES).join('] [')}]`)
  process.exit(2)
}

const read = () => {
  try {
    return JSON.parse(readFileSync(RESULTS, 'utf8'))
  } catch {
    return { runs: {} }
  }
}
const machine = `${cpus()[0].model.trim()}, ${availableParallelism()} cores`
for (const name of names.length > 0 ? names : Object.keys(ENGINES)) {
  console.error(name)
  const result = ENGINES[name](path.resolve(file))
  const { runs } = read()
  runs[name] = { machine, date: new Date().toISOString().slice(0, 10), ...result }
  const sorted = Object.fromEntries(
    Object.keys(ENGINES).flatMap(key => (runs[key] ? [[key, runs[key]]] : [])),
  )
  writeFileSync(RESULTS, `${JSON.stringify({ runs: sorted }, null, 2)}\n`)
}
